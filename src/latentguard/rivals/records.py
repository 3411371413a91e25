"""What a contest of rivals found, as plain records that become JSON."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from latentguard.lm import Identity, ProofRecord
from latentguard.statistics import Estimate


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SetRow(_Record):
    """One rival on the prompts of one label of one source."""

    source: str
    label: Literal["harmful", "harmless"]
    n: int = Field(ge=0)
    flagged: tuple[Estimate, ...]
    """Share flagged at each threshold: recall of harmful prompts, false alarms of harmless ones."""
    auroc: Estimate
    """Of harmful prompts against the ordinary ones; of harmless prompts, all harmful ones against them."""


class Standing(_Record):
    """One rival on everything."""

    name: str
    thresholds: tuple[float, ...]
    """The score from which a prompt is flagged, one for each false-positive rate."""
    ordinary: tuple[float, ...]
    """Share of the ordinary prompts that each threshold flags: at most the rate it was chosen for."""
    sets: tuple[SetRow, ...]
    recall: tuple[Estimate, ...]
    """Mean over harmful sets of the share flagged, one for each rate."""
    over_refusal: tuple[Estimate, ...]
    """Mean over harmless test sets of the share flagged."""
    auroc: Estimate
    """Mean over every pair of a harmful and a harmless test set."""
    unavailable: str | None = None
    """Why it could not be fitted here."""


class Contest(_Record):
    """Rivals on the same prompts, fitted on the same prompts."""

    format: Literal["latentguard-rivals/1"] = "latentguard-rivals/1"
    command: str
    model: Identity | None
    """Whose states the rivals read; None where none reads a model."""
    proof: ProofRecord | None
    """Of that model."""
    fitted_on: str
    n_train: int
    n_validation: int
    rates: tuple[float, ...]
    """False-positive rates among ordinary prompts that thresholds were chosen for."""
    n_ordinary: int
    left_out: int
    """Test and ordinary prompts that are relatives of a fitting prompt, or ordinary and in the test too."""
    unlabelled: int
    """Test prompts without a label, which are not measured."""
    data_hash: str
    seed: int
    standings: tuple[Standing, ...]
