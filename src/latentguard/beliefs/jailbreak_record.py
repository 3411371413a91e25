"""`jailbreaks.json`: what attacks moved, as plain records. Texts of prompts are not among them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from latentguard.beliefs.jailbreaks import AttackRow, Jailbroken, Shift, Which
from latentguard.lm import Identity, LanguageModel, ProofRecord
from latentguard.statistics import Estimate


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ShiftRecord(_Record):
    """One belief before and after, means over the attacks that succeed."""

    before: float
    after: float
    shift: Estimate


class AttackRecord(_Record):
    """One kind of attack (`AttackRow`)."""

    attack: str
    n: int = Field(ge=0)
    accepted_anyway: int = Field(ge=0)
    succeeded: Estimate
    harmfulness: ShiftRecord | None
    refusal: ShiftRecord | None
    still_believed: Estimate
    lowers: Which
    reverses: Which


class AttackedPrompt(_Record):
    """Both beliefs of one request and of the prompt that wraps it."""

    id: str | None
    base_id: str | None
    attack: str | None
    succeeded: bool
    harmfulness: tuple[float, float]
    """Before and after."""
    refusal: tuple[float, float] | None


class JailbreakRecord(_Record):
    """Every kind of attack on one model."""

    format: Literal["latentguard-jailbreaks/1"] = "latentguard-jailbreaks/1"
    model: Identity
    proof: ProofRecord
    fitted_on: int
    left_out_of_the_fit: int
    """Relatives of what is attacked."""
    behaviour: dict[str, int]
    """Fitting prompts in each verdict cell."""
    attacks: tuple[AttackRecord, ...]
    prompts: tuple[AttackedPrompt, ...]


def jailbreak_record(
    found: Jailbroken, model: LanguageModel, behaviour: dict[str, int], *, fitted_on: int, left_out: int
) -> JailbreakRecord:
    """What was found, without a text."""
    return JailbreakRecord(
        model=model.identity(),
        proof=model.proved(),
        fitted_on=fitted_on,
        left_out_of_the_fit=left_out,
        behaviour=behaviour,
        attacks=tuple(_attack(row) for row in found.rows),
        prompts=tuple(
            AttackedPrompt(
                id=one.id,
                base_id=one.base_id,
                attack=one.attack,
                succeeded=success,
                harmfulness=_pair(found.harmfulness[number].tolist()),
                refusal=None if found.refusal is None else _pair(found.refusal[number].tolist()),
            )
            for number, (one, success) in enumerate(zip(found.attacked, found.success, strict=True))
        ),
    )


def _attack(row: AttackRow) -> AttackRecord:
    return AttackRecord(
        attack=row.attack,
        n=row.n,
        accepted_anyway=row.accepted_anyway,
        succeeded=row.succeeded,
        harmfulness=_shift(row.harmfulness),
        refusal=_shift(row.refusal),
        still_believed=row.still_believed,
        lowers=row.lowers,
        reverses=row.reverses,
    )


def _shift(found: Shift | None) -> ShiftRecord | None:
    return None if found is None else ShiftRecord(before=found.before, after=found.after, shift=found.shift)


def _pair(values: list[float]) -> tuple[float, float]:
    before, after = values
    return before, after
