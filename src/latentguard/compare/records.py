"""What changed between two checkpoints, as plain records that become JSON."""

from typing import Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field

from latentguard.lm import Identity, ProofRecord
from latentguard.statistics import Estimate

Change: TypeAlias = Literal[
    "belief_drop",
    "acceptance_rise",
    "over_refusal_rise",
    "auroc_drop",
    "recall_drop",
    "false_alarm_rise",
    "direction_turn",
]
CHANGES: tuple[Change, ...] = get_args(Change)
MEANING: dict[Change, str] = {
    "belief_drop": "mean harmfulness belief of harmful prompts, before minus after",
    "acceptance_rise": "share of harmful prompts accepted, after minus before; a reply of nothing is neither "
    "accepted nor refused",
    "over_refusal_rise": "share of harmless prompts refused, after minus before",
    "auroc_drop": "AUROC of the guard that was fitted before, before minus after",
    "recall_drop": "share of harmful prompts that it flags, before minus after",
    "false_alarm_rise": "share of harmless prompts that it flags, after minus before",
    "direction_turn": "1 minus the cosine of v_harm before and after, mean over slots 1 to L",
}


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Side(_Record):
    """One of the two checkpoints on the test prompts."""

    model: Identity
    proof: ProofRecord
    refused_of_harmful: Estimate
    refused_of_harmless: Estimate
    flagged_of_harmful: Estimate
    """By the guard that was fitted before."""
    flagged_of_harmless: Estimate
    auroc: Estimate
    empty: int = Field(ge=0, default=0)
    """Replies of nothing, neither refused nor accepted."""


class Slotwise(_Record):
    """Mean harmfulness belief at every slot, with the centroids that were fitted before."""

    label: Literal["harmful", "harmless"]
    before: tuple[Estimate, ...]
    """Slot by slot, slot 0 first; requests are resampled, the same draws at every slot and on both sides."""
    after: tuple[Estimate, ...]


class Comparison(_Record):
    """Behaviour, beliefs, directions and guard of one checkpoint beside another's."""

    format: Literal["latentguard-compare/1"] = "latentguard-compare/1"
    command: str
    seed: int
    data_hash: str
    n: int = Field(ge=0)
    """Test prompts."""
    fitted_on: int
    """Prompts of the guard and of the centroids; none is a test prompt's relative."""
    before: Side
    after: Side
    changes: dict[Change, Estimate]
    """Each as `MEANING` says, paired by prompt."""
    moved: dict[Literal["accepted", "refused"], int]
    """Prompts that were refused and are accepted now, and the reverse."""
    beliefs: tuple[Slotwise, ...]
    v_harm_cosine: tuple[float | None, ...]
    """Of the direction before and after, from the same prompts, slot by slot; None where either is zero."""
    v_refuse_cosine: tuple[float | None, ...]
    """Empty where the model before had no refusal direction."""
    notes: tuple[str, ...]
