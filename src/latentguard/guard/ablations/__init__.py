"""How many prompts does a guard need, and which slots? Both on test prompts that nothing is fitted on.

The paper fits on a hundred prompts a class and all layers (Zhao et al. 2025, section 6) and tries neither.
"""

from latentguard.guard.ablations.ablate import ablate, plan
from latentguard.guard.ablations.by_size import DRAWS, FEWEST_PROMPTS, SIZES, by_size
from latentguard.guard.ablations.by_slot import by_slot
from latentguard.guard.ablations.record import Ablations, SizeRow, SlotRow

__all__ = [
    "DRAWS",
    "FEWEST_PROMPTS",
    "SIZES",
    "Ablations",
    "SizeRow",
    "SlotRow",
    "ablate",
    "by_size",
    "by_slot",
    "plan",
]
