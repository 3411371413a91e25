"""The package's own matched pairs: the default fitting data of a guard on any real chat model.

Each pair is one sentence frame filled twice, once as a harmful and once as a harmless request. Both end in
the same mark, and the harmless one is often full of dangerous words, so that a reader of words, of length or
of the final full stop has little to go on. docs/contrast-set.md says how the pairs were made and measured.
"""

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal, TypeAlias

from latentguard.data.prompts import LABELS, Label, Prompt
from latentguard.data.splits import Split
from latentguard.errors import BadData

SplitName: TypeAlias = Literal["train", "validation", "test"]

CATEGORIES = (
    "violence",
    "self_harm",
    "cybercrime",
    "fraud",
    "hate",
    "drugs",
    "privacy",
    "sexual_abuse",
)
FRAMES = ("question", "order", "story", "code", "email", "article", "dialogue", "request")
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
SOURCE = "latentguard/contrast"


@dataclass(frozen=True, slots=True)
class ContrastRow:
    """One request of a pair as it is stored: its sentence frame, language and split beside text and label."""

    id: str
    pair: str
    prompt: str
    label: Label
    category: str
    frame: str
    lang: str
    split: SplitName

    def __post_init__(self) -> None:
        allowed = (
            ("label", self.label, LABELS),
            ("category", self.category, CATEGORIES),
            ("frame", self.frame, FRAMES),
            ("split", self.split, SPLITS),
        )
        for field, value, values in allowed:
            if value not in values:
                raise BadData(
                    f"row {self.id!r} of the contrast set has an unknown {field}.\n"
                    f"  found: {value!r}\n  known: {', '.join(values)}"
                )

    def as_prompt(self) -> Prompt:
        """The row as a prompt; `base_id` is the pair, so that no later split takes it apart."""
        return Prompt.of(
            self.prompt,
            label=self.label,
            category=self.category,
            source=SOURCE,
            lang=self.lang,
            id=self.id,
            base_id=self.pair,
        )


def contrast_rows() -> list[ContrastRow]:
    """Every stored row, category by category, the harmful request of a pair just before the harmless one."""
    folder = files("latentguard.data") / "contrast"
    return [
        ContrastRow(**json.loads(line))
        for category in CATEGORIES
        for line in (folder / f"{category}.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def contrast_set() -> Split:
    """The matched pairs in the split they are shipped with, about 60, 20 and 20 per cent of the pairs.

    The split is part of the data: published figures, fitted guards and their tests all mean the same rows.
    """
    rows = contrast_rows()
    train, validation, test = ([row.as_prompt() for row in rows if row.split == name] for name in SPLITS)
    return Split(train=train, validation=validation, test=test)
