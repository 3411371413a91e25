"""What guard.json says of how answers are read."""

from pydantic import BaseModel, ConfigDict

from latentguard.guard.probe import Method
from latentguard.statistics import Estimate


class FittedAnswers(BaseModel):
    """Centroids at the tokens of answers, and a trigger, fitted on the model's own answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Method
    """Of the score that the trigger takes: accepted harmful against accepted harmless answers."""
    slots: tuple[int, ...]
    """Of the score, and of the harmfulness belief, which is fitted on the same answers."""
    refusal_slots: tuple[int, ...]
    """Of the refusal belief: refused against accepted answers to harmful prompts; empty with too few."""
    refusal_threshold: float
    """A token whose refusal belief reaches it is part of a refusal, and raises no trigger."""
    high: float
    low: float
    patience: int
    """See `Trigger`."""
    target_fpr: float
    """Share of harmless answers that may be cut."""
    tokens: int
    """Tokens of the harmless answers that the thresholds were fitted on, at most: of longer ones more may be
    cut."""
    train: dict[str, int]
    """Training answers in each verdict cell."""
    validation: dict[str, int]
    """Validation answers in each verdict cell."""
    validation_auroc: float
    """Of the mean score of an answer, accepted harmful against harmless; the best of several, no test."""
    false_cuts: Estimate
    """Harmless answers that were cut by a trigger fitted on the other half, both ways."""
    caught: Estimate
    """Accepted harmful answers that were cut, likewise."""
    caught_after: float | None
    """Tokens after which, in the middle one; None where none was caught."""
