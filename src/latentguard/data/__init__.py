"""Prompts: records, readers, endings, splits, and the package's own contrast set."""

from latentguard.data.contrast import contrast_set
from latentguard.data.endings import Endings, endings_of, final_punctuation, with_endings
from latentguard.data.prompts import LABELS, Label, Prompt, data_hash, ordered_hash
from latentguard.data.questions import OPENING, QUESTIONS, Item, Question, asked
from latentguard.data.readers import read_prompts
from latentguard.data.splits import Split, split

__all__ = [
    "LABELS",
    "OPENING",
    "QUESTIONS",
    "Endings",
    "Item",
    "Label",
    "Prompt",
    "Question",
    "Split",
    "asked",
    "contrast_set",
    "data_hash",
    "endings_of",
    "final_punctuation",
    "ordered_hash",
    "read_prompts",
    "split",
    "with_endings",
]
