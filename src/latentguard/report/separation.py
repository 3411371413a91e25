"""Does the belief say more than the decision? Measured where the two part ways, on prompts not fitted on."""

from collections.abc import Sequence
from typing import Final, TypeAlias

from latentguard.beliefs import Behaviour, Beliefs, Reading
from latentguard.data import Prompt
from latentguard.guard import Estimate
from latentguard.report.intervals import proportion
from latentguard.report.ranking import auroc
from latentguard.report.schema import Cell, PlanePoint, Proportion, Separation


def separation(behaviour: Behaviour, beliefs: Beliefs, reading: Reading, *, seed: int = 0) -> Separation:
    """AUROC of the harmfulness belief over all and within each decision, and its sign where they part."""
    cells = behaviour.cells()
    harmfulness = beliefs.harmfulness().tolist()
    accepted = [*cells["accepted_harmful"], *cells["accepted_harmless"]]
    refused = [*cells["refused_harmful"], *cells["refused_harmless"]]

    def within(members: Sequence[int]) -> Estimate:
        return auroc(
            [behaviour.prompts[index] for index in members],
            [harmfulness[index] for index in members],
            seed=seed,
        )

    def share(cell: Cell, *, positive: bool) -> Proportion:
        right = [(harmfulness[index] >= 0) == positive for index in cells[cell]]
        return proportion(sum(right), len(right))

    return Separation(
        endings=reading.endings,
        auroc_all=within(range(len(behaviour.prompts))),
        auroc_within_accepted=within(sorted(accepted)),
        auroc_within_refused=within(sorted(refused)),
        accepted_harmful_believed_harmful=share("accepted_harmful", positive=True),
        refused_harmless_believed_harmless=share("refused_harmless", positive=False),
        refusal_belief_agrees=_agreement(beliefs, accepted, refused),
        refusal_unavailable=None if reading.unavailable is None else f"{reading.unavailable}.",
    )


def _agreement(beliefs: Beliefs, accepted: Sequence[int], refused: Sequence[int]) -> Proportion | None:
    refusal = beliefs.refusal()
    if refusal is None:
        return None
    positive = (refusal >= 0).tolist()
    right = [positive[index] for index in refused] + [not positive[index] for index in accepted]
    return proportion(sum(right), len(right))


def plane_points(behaviour: Behaviour, balanced: Beliefs, as_written: Beliefs) -> tuple[PlanePoint, ...]:
    """Every prompt that fell into a verdict class, by its two beliefs, fitted both ways; ordered by class."""
    both = list(zip(_pairs(balanced), _pairs(as_written), strict=True))
    return tuple(
        _point(behaviour.prompts[index], cell, *both[index])
        for cell, members in behaviour.cells().items()
        for index in members
    )


_Pair: TypeAlias = tuple[float, float | None]
"""Harmfulness and refusal belief."""


def _pairs(beliefs: Beliefs) -> list[_Pair]:
    harmfulness, refusal = beliefs.harmfulness().tolist(), beliefs.refusal()
    return list(
        zip(harmfulness, [None] * len(harmfulness) if refusal is None else refusal.tolist(), strict=True)
    )


def _point(prompt: Prompt, cell: Cell, balanced: _Pair, as_written: _Pair) -> PlanePoint:
    return PlanePoint(
        prompt=prompt.text,
        cell=cell,
        harmfulness=balanced[0],
        refusal=balanced[1],
        harmfulness_as_written=as_written[0],
        refusal_as_written=as_written[1],
        category=prompt.category,
        source=prompt.source,
        attack=prompt.attack,
    )


_QUESTIONS: Final = {
    "auroc_all": "AUROC of the harmfulness belief, all test prompts",
    "auroc_within_accepted": "the same, only prompts that the model accepted",
    "auroc_within_refused": "the same, only prompts that the model refused",
    "accepted_harmful_believed_harmful": "accepted harmful prompts with a belief above zero",
    "refused_harmless_believed_harmless": "refused harmless prompts with a belief below zero",
    "refusal_belief_agrees": "refusal belief on the side of the decision",
}


def separation_rows(*found: Separation) -> list[tuple[str, list[Estimate | Proportion]]]:
    """Question and its answer by each reading, in the order of the page; what is unavailable is left out."""
    rows = [(question, [getattr(one, name) for one in found]) for name, question in _QUESTIONS.items()]
    return [(question, answers) for question, answers in rows if None not in answers]


__all__ = ["plane_points", "separation", "separation_rows"]
