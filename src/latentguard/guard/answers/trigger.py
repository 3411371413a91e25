"""When an answer is cut: a trigger with two thresholds and patience, and the threshold at which it would go.

The trigger is raised by a token whose belief reaches `high`, stays raised while beliefs reach `low`, and cuts
at its `patience`-th raised token in a row (the hysteresis of Schmitt's trigger, and a dwell time). With
low = high - gap an answer is cut for every `high` up to one level, and for none above:

    level = max over t of  min(s_t, s_t+1 + gap, ..., s_t+patience-1 + gap)

so that a threshold for many answers is a quantile of their levels, and no search.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(slots=True)
class Trigger:
    """One answer's: give it the belief of every token in order."""

    high: float
    low: float
    patience: int
    raised: int = 0
    """Tokens for which it has been raised."""
    cut: bool = False
    """Whether the answer is over the threshold; stays so."""

    def fresh(self) -> "Trigger":
        """The same trigger before any token."""
        return Trigger(self.high, self.low, self.patience)

    def take(self, belief: float) -> bool:
        """The next token's belief, minus infinity where it does not count; whether the answer is cut."""
        self.raised = self.raised + 1 if belief >= (self.low if self.raised else self.high) else 0
        self.cut = self.cut or self.raised >= self.patience
        return self.cut


def level(beliefs: Sequence[float], *, gap: float, patience: int) -> float:
    """The highest `high` at which a trigger with low = high - gap cuts this answer; minus infinity where
    none does, as in an answer of fewer tokens than `patience`."""
    found = -math.inf
    given = np.asarray(beliefs, dtype=np.float64)
    for first in range(len(given) - patience + 1):
        rest = given[first + 1 : first + patience]
        lowest = float(rest.min()) + gap if len(rest) else math.inf
        found = max(found, min(float(given[first]), lowest))
    return found


def tokens_until_cut(beliefs: Sequence[float], trigger: Trigger) -> int | None:
    """How many tokens were written when a fresh `trigger` cuts; None where it does not."""
    for number, belief in enumerate(beliefs, start=1):
        if trigger.take(belief):
            return number
    return None
