"""What a guard says of one conversation, wherever the guard is."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from latentguard.beliefs import Cell
from latentguard.guard import Verdict
from latentguard.lm import Conversation


@dataclass(frozen=True, slots=True)
class Checked:
    """A guard's verdict on one conversation, or why there is none."""

    flagged: bool
    """The score reached the guard's threshold, or the conversation could not be judged."""
    probability: float
    """Calibrated P(harmful), in [0, 1]; 1 where it could not be judged."""
    harmfulness: float | None = None
    """Harmfulness belief, in [-2, 2]; None where it was not told, or not read."""
    refusal: float | None = None
    """Refusal belief, in [-2, 2]; None as above, and where the guard has none."""
    cell: Cell | None = None
    """`flagged` x the predicted decision; None where there is no refusal belief."""
    categories: Mapping[str, float] = field(default_factory=dict[str, float])
    """Probability of harm of each kind that the guard knows."""
    unjudged: str | None = None
    """Why it could not be judged; None where it was."""

    @classmethod
    def of(cls, verdict: Verdict) -> "Checked":
        """What a verdict says."""
        return cls(
            flagged=verdict.flagged,
            probability=verdict.probability,
            harmfulness=verdict.harmfulness,
            refusal=verdict.refusal,
            cell=verdict.cell,
            categories=verdict.category_scores,
        )

    @classmethod
    def not_judged(cls, why: str) -> "Checked":
        """A conversation that nothing could be read of: it is flagged."""
        return cls(flagged=True, probability=1.0, unjudged=why)

    @property
    def fields(self) -> dict[str, Any]:
        """All of it, for a log."""
        return asdict(self)


class Checker(Protocol):
    """Whatever judges conversations. Any number of threads may call it at the same time."""

    @property
    def name(self) -> str:
        """Which guard, for logs."""
        ...

    def check(self, conversations: Sequence[Conversation]) -> list[Checked]:
        """One each, in order; returns when all are judged. Raises where the guard itself fails."""
        ...
