"""What an ablation found, as plain records that become JSON."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from latentguard.lm import Identity, ProofRecord
from latentguard.statistics import Estimate


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SizeRow(_Record):
    """Guards fitted and chosen on so many prompts of a class."""

    prompts: int = Field(ge=1)
    draws: int = Field(ge=1)
    """Guards behind the row, each on prompts of its own draw."""
    auroc: Estimate
    """Mean over draws; draws and test prompts are resampled."""
    worst: float | None = Field(ge=0, le=1)
    """The least AUROC of a draw: what an unlucky choice of prompts costs."""


class SlotRow(_Record):
    """The belief at one slot alone, or over all but slot 0."""

    slot: int | None
    """None: all."""
    auroc: Estimate


class Ablations(_Record):
    """A guard by the number of its fitting prompts, and the belief by slot."""

    format: Literal["latentguard-ablations/1"] = "latentguard-ablations/1"
    command: str
    model: Identity
    proof: ProofRecord
    fitted_on: str
    n_train: int
    """Prompts that slots are fitted on; guards are drawn from these and the next, 30 % of each draw to choose
    on."""
    n_validation: int
    n_test: int
    left_out: tuple[int, ...]
    """Sizes asked for that there are too few prompts for."""
    data_hash: str
    seed: int
    sizes: tuple[SizeRow, ...]
    slots: tuple[SlotRow, ...]
