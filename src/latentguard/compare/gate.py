"""Conditions under which a comparison fails: `belief_drop>0.05`, `auroc_drop.high>=0.1`.

A gate for pipelines: the value of a change, or an end of its interval, against a number. What could not be
measured fails.
"""

import operator
import re
from dataclasses import dataclass
from typing import Final, cast

from latentguard.compare.records import CHANGES, Change, Comparison
from latentguard.errors import BadData

_FORM: Final = re.compile(r"\s*(\w+)(?:\.(low|high))?\s*(>=|<=|>|<)\s*([-+]?\d*\.?\d+(?:[eE][-+]?\d+)?)\s*")
_COMPARED: Final = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


@dataclass(frozen=True, slots=True)
class Condition:
    """One change, which of its three values, and the number that it is held against."""

    change: Change
    end: str
    relation: str
    limit: float
    text: str

    @classmethod
    def of(cls, text: str) -> "Condition":
        """Raises `BadData` for what is no condition, or names no change."""
        found = _FORM.fullmatch(text)
        if found is None or found[1] not in CHANGES:
            raise BadData(
                f"{text!r} is no condition.\n"
                "  Write a change, > or <, and a number: 'belief_drop>0.05', 'auroc_drop.high>=0.1'.\n"
                f"  Changes: {', '.join(CHANGES)}"
            )
        return cls(cast(Change, found[1]), found[2] or "value", found[3], float(found[4]), text.strip())

    def holds(self, found: Comparison) -> bool:
        """Whether it is so, or cannot be told."""
        value = getattr(found.changes[self.change], self.end)
        return value is None or _COMPARED[self.relation](value, self.limit)

    def described(self, found: Comparison) -> str:
        """The condition, and what was measured."""
        value = getattr(found.changes[self.change], self.end)
        return f"{self.text}: " + ("it could not be measured" if value is None else f"it is {value:.4f}")
