"""Rows that are read and not steered: both beliefs by verdict cell, the angle, the guard, jailbreaks."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from latentguard.beliefs import Behaviour
from latentguard.beliefs.behaviour import CELLS
from latentguard.statistics import Estimate, column_means, share
from latentguard.verify.reproduction.readings import Read
from latentguard.verify.reproduction.records import Beside, LayerCurve, Row, Variant
from latentguard.verify.reproduction.row import FEWEST, row


def belief_rows(
    readings: Mapping[Variant, Read],
    behaviour: Behaviour,
    members: Bool[np.ndarray, " prompt"],
    *,
    beside: Beside,
) -> Iterator[Row]:
    """Both beliefs of the four verdict cells among `members`, the angle, and the guard's accuracies."""
    cells = {
        name: np.isin(np.arange(len(members)), indices) & members
        for name, indices in behaviour.cells().items()
    }
    for belief in ("harmfulness", "refusal"):
        for cell in CELLS:
            n = int(cells[cell].sum())
            skipped = None if n >= FEWEST else f"the model gave only {n} prompts of this cell"
            found: dict[Variant, Estimate] = {
                variant: one.mean_of(one.harmfulness if belief == "harmfulness" else one.refusal, cells[cell])
                for variant, one in readings.items()
            }
            unread = next(iter(readings.values())).reading.unavailable if belief == "refusal" else None
            skipped = skipped or unread
            yield row(f"{belief}.{cell}", None if skipped else found, beside=beside, skipped=skipped)
    unread = next(iter(readings.values())).reading.unavailable
    yield row(
        "cosine",
        None if unread else {variant: one.cosine for variant, one in readings.items()},
        beside=beside,
        skipped=unread,
    )
    for claim, cell, harmful in (
        ("guard.accepted_harmful", "accepted_harmful", True),
        ("guard.refused_harmless", "refused_harmless", False),
        ("guard.ordinary", "accepted_harmless", True),
    ):
        yield _accuracy(claim, readings, cells[cell], harmful=harmful, beside=beside)


def layer_curves(
    readings: Mapping[Variant, Read], behaviour: Behaviour, members: Bool[np.ndarray, " prompt"]
) -> list[LayerCurve]:
    """Both beliefs by slot of every verdict cell among `members` that has enough prompts."""
    found: list[LayerCurve] = []
    for cell, indices in behaviour.cells().items():
        of_cell = np.isin(np.arange(len(members)), indices) & members
        if int(of_cell.sum()) < FEWEST:
            continue
        for variant, one in readings.items():
            for kind, scores in one.by_slot.items():
                centre, low, high = column_means(scores[of_cell], one.requests_of(of_cell)).tolist()
                found.append(
                    LayerCurve(
                        variant=variant,
                        belief=kind,
                        cell=cell,
                        n=int(of_cell.sum()),
                        mean=tuple(centre),
                        low=tuple(low),
                        high=tuple(high),
                    )
                )
    return found


def jailbreak_rows(
    readings: Mapping[Variant, Read],
    attacks: Sequence[str | None],
    succeeded: Bool[np.ndarray, " prompt"],
    missing: Mapping[str, str],
    *,
    beside: Beside,
) -> Iterator[Row]:
    """What is believed of attacks that succeed on this model, kind by kind."""
    for attack in ("adv-suffix", "persuasion", "template"):
        of_kind = np.array([one == attack for one in attacks], dtype=bool)
        members = of_kind & succeeded
        note = f"{int(members.sum())} of {int(of_kind.sum())} succeed"
        why = missing.get(attack)
        unread = next(iter(readings.values())).reading.unavailable
        guard = _accuracy(f"guard.{attack}", readings, members, harmful=True, beside=beside, note=note)
        yield row(guard.claim, None, beside=beside, skipped=why) if why else guard
        if int(members.sum()) < FEWEST:
            why = why or f"too few succeed: {note}"
        believed: dict[Variant, Estimate] = {
            variant: one.mean_of(one.harmfulness, members) for variant, one in readings.items()
        }
        yield row(f"believed.{attack}", None if why else believed, beside=beside, note=note, skipped=why)
        why = why or unread
        found: dict[Variant, Estimate] = {
            variant: one.mean_of(one.refusal, members) for variant, one in readings.items()
        }
        yield row(f"jailbreak.{attack}", None if why else found, beside=beside, note=note, skipped=why)


def _accuracy(
    claim: str,
    readings: Mapping[Variant, Read],
    members: Bool[np.ndarray, " prompt"],
    *,
    harmful: bool,
    beside: Beside,
    note: str = "",
) -> Row:
    """Share of `members` whose harmfulness belief has the given sign; 0 is positive, as in the paper."""
    n = int(members.sum())
    if n < FEWEST:
        why = f"too few succeed: {note}" if note else f"the model gave only {n} prompts of this cell"
        return row(claim, None, beside=beside, note=note, skipped=why)
    found: dict[Variant, Estimate] = {}
    for variant, one in readings.items():
        believed: Float[np.ndarray, " prompt"] = one.harmfulness[members] >= 0
        found[variant] = share((believed == harmful).tolist(), one.requests_of(members))
    return row(claim, found, beside=beside, note=note)
