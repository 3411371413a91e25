"""Which sections a page has, in their order."""

from latentguard.report.further.ablations_section import ablations_section
from latentguard.report.further.causal_section import causal_section
from latentguard.report.further.comparison_section import comparison_section
from latentguard.report.further.jailbreak_section import jailbreak_section
from latentguard.report.further.reproduction_section import reproduction_section
from latentguard.report.further.results import Further
from latentguard.report.further.rivals_section import rivals_section
from latentguard.report.further.section import Section


def sections(found: Further) -> list[Section]:
    """A section for every result that is there."""
    made: list[Section] = []
    if found.causal is not None:
        made.append(causal_section(found.causal))
    if found.jailbreaks is not None:
        made.append(jailbreak_section(found.jailbreaks))
    if found.comparison is not None:
        made.append(comparison_section(found.comparison))
    if found.rivals is not None:
        made.append(rivals_section(found.rivals))
    if found.ablations is not None:
        made.append(ablations_section(found.ablations))
    if found.reproduction is not None:
        made.append(reproduction_section(found.reproduction))
    return made
