"""What other commands found out about the audited model, as sections of the same page.

causal.json         latentguard steer        do the beliefs move the model?
jailbreaks.json     latentguard jailbreaks   what attacks move
compare.json        latentguard compare      before and after fine-tuning
rivals.json         latentguard rivals       the guard beside what else could flag a prompt
ablations.json      latentguard ablations    how many prompts a guard needs, and which slots
reproduction.json   latentguard reproduce    the paper beside what is measured
"""

from latentguard.report.further.results import FILES, Further, read_further
from latentguard.report.further.section import Listing, Section
from latentguard.report.further.sections import sections

__all__ = ["FILES", "Further", "Listing", "Section", "read_further", "sections"]
