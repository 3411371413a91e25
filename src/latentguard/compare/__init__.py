"""Two checkpoints side by side: what fine-tuning did to behaviour, and what to belief."""

from latentguard.compare.comparison import compare, plan
from latentguard.compare.gate import Condition
from latentguard.compare.records import CHANGES, MEANING, Change, Comparison, Side, Slotwise

__all__ = ["CHANGES", "MEANING", "Change", "Comparison", "Condition", "Side", "Slotwise", "compare", "plan"]
