"""What this audit cannot say, in words, generated from its own numbers."""

from collections.abc import Sequence

from latentguard.lm import Identity
from latentguard.report.findings import row_of
from latentguard.report.schema import (
    BehaviourRecord,
    DataRecord,
    GuardGroup,
    GuardRecord,
    Separation,
)
from latentguard.report.words import CELL_NAMES, interval, listed, number, plural

ORGANISM = (
    "This model is the organism that ships with latentguard: what it believes was planted in training. "
    "It checks the instrument and is no evidence about real models."
)
_FEW = 10
_NEAR = 0.05


def limits_line(model: Identity, data: Sequence[DataRecord], guard: GuardRecord, *, is_organism: bool) -> str:
    """The one line of the first screen: the limit that a reader must know before anything else."""
    if is_organism:
        return ORGANISM
    harmful, harmless = measured_counts(data)
    weights = f", quantised ({model.quantisation})" if model.quantisation else ""
    prompts = f"{harmful} harmful and {harmless} harmless test prompts"
    parts = [f"One model{weights}; {prompts} of the kinds that the reading was fitted on"]
    if guard.above_untrained is False:
        parts.append("the guard is not above an untrained copy of this model")
    parts.append("a belief is a reading of hidden states, not yet a cause of what the model does")
    return "; ".join(parts) + "."


def limits(
    model: Identity,
    data: Sequence[DataRecord],
    behaviour: BehaviourRecord,
    separation: Separation,
    guard: GuardRecord,
    *,
    is_organism: bool,
    given: Sequence[str] = (),
) -> tuple[str, ...]:
    """Every limit that this audit's facts call for, the gravest first; `given` are those of the prompts."""
    found = [ORGANISM] if is_organism else []
    found += _of_guard(guard)
    found += _of_cells(behaviour, separation)
    found += _of_prompts(data, guard)
    found += given
    found += _of_model(model)
    found += [
        f"A decision is judged by phrases in the first {behaviour.new_tokens} tokens of the reply: a refusal "
        "that comes later, or one in unusual words, is missed.",
        "A belief is a reading of hidden states that tells two sets of prompts apart. Whether the model acts "
        "on it takes an intervention, which this report does not make.",
    ]
    return tuple(found)


def measured_counts(data: Sequence[DataRecord]) -> tuple[int, int]:
    """Harmful and harmless prompts that nothing was fitted or chosen on."""
    parts = [part for part in data if part.part in ("test", "extra")]
    return sum(part.harmful for part in parts), sum(part.harmless for part in parts)


def _of_guard(guard: GuardRecord) -> list[str]:
    found: list[str] = []
    own = guard.rows[0]
    if guard.above_untrained is False:
        found.append("The guard is not above an untrained copy of this model: it may read words, not belief.")
    words = row_of(guard, "tfidf")
    if words is not None and own.auroc.value is not None and words.auroc.value is not None:
        difference = words.guard_minus_this
        if difference is not None and (difference.low or 0) <= 0:
            found.append(
                f"TF-IDF on the words alone reaches AUROC {number(words.auroc.value)}; the guard minus that "
                f"is {number(difference.value)} ({interval(difference.low, difference.high)})."
            )
    if own.auroc.value == 1.0:
        found.append(
            f"The guard ranks all {own.auroc.n} test prompts right, so its bootstrap interval has no width: "
            "the number of prompts, not the interval, says how sure that is."
        )
    error = own.calibration_error
    if error.value is not None and error.value > 0.1:
        found.append(
            f"Its probabilities are off by {number(error.value)} on average: read them as an order, "
            "not as odds."
        )
    return found


def _of_cells(behaviour: BehaviourRecord, separation: Separation) -> list[str]:
    found: list[str] = []
    if separation.refusal_unavailable is not None:
        found.append(
            f"Refusal belief and verdict are unavailable: {separation.refusal_unavailable} "
            "The harmfulness belief is fitted on the prompts’ labels."
        )
    few = [f"{CELL_NAMES[cell]} {count}" for cell, count in behaviour.test_cells.items() if count < _FEW]
    if few:
        found.append(
            f"Few test prompts in some verdict classes ({listed(few)}): their lines and shares are rough."
        )
    if behaviour.empty:
        found.append(f"{plural(behaviour.empty, 'prompt')} had an empty reply and stand in no verdict class.")
    return found


def _of_prompts(data: Sequence[DataRecord], guard: GuardRecord) -> list[str]:
    harmful, harmless = measured_counts(data)
    found = [
        f"Everything is measured on {harmful} harmful and {harmless} harmless prompts. The intervals cover "
        "the luck of this draw; other kinds of prompt, other languages and attacks may read differently."
    ]
    ending = row_of(guard, "final_punctuation")
    if ending is not None and ending.auroc.low is not None and ending.auroc.low > 0.5 + _NEAR:
        found.append(
            f"In these prompts the final punctuation alone tells the classes apart (AUROC "
            f"{number(ending.auroc.value)}): what is fitted as written reads it."
        )
    weakest = _weakest(guard)
    if weakest is not None:
        found.append(
            f"The guard is weakest on {weakest.kind} ‘{weakest.name}’: AUROC {number(weakest.auroc.value)} "
            f"({interval(weakest.auroc.low, weakest.auroc.high)}) against {weakest.against}."
        )
    return found


def _weakest(guard: GuardRecord) -> GuardGroup | None:
    """The group of ten prompts or more that is ranked worst, where it is clearly worse than the whole."""
    own = guard.rows[0].auroc.value
    large = [
        group
        for group in guard.groups
        if group.kind != "decision"
        and group.auroc.value is not None
        and group.harmful + group.harmless >= _FEW
    ]
    weakest = min(large, key=lambda group: group.auroc.value or 0.0, default=None)
    if weakest is None or own is None or (weakest.auroc.value or 0.0) >= own - _NEAR:
        return None
    return weakest


def _of_model(model: Identity) -> list[str]:
    found = [
        f"The numbers are about these weights ({model.fingerprint[:12]}) in {model.dtype} under this chat "
        f"template ({model.template_hash[:12]}), and about no other model."
    ]
    if model.quantisation:
        found.append(
            f"The weights are quantised ({model.quantisation}): a result about the quantised model, not "
            "about the one it was made from."
        )
    return found
