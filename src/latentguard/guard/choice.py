"""Which method, position and slots: the candidate that ranks the validation prompts best.

Slots are runs of neighbours (all of them, halves, thirds and quarters of the depth); slot 0, the token's
embedding, is never among them. Candidates are compared by AUROC on the validation prompts with the endings
of the fit; equal ones by how far apart the class means lie, in units of the spread.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from latentguard.guard.cells import Cells, Position, positions_of
from latentguard.guard.metrics import auroc, ranked
from latentguard.guard.probe import Method


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, among how many, and how well it ranked the validation prompts."""

    method: Method
    cells: Cells
    auroc: float
    """On the prompts it was chosen on: too high by the luck of the best of `considered`."""
    considered: int


def windows(deepest: int) -> list[tuple[int, ...]]:
    """Runs of slots in 1..`deepest`: all, and every half, third and quarter at steps of an eighth."""
    found: dict[tuple[int, ...], None] = {tuple(range(1, deepest + 1)): None}
    for parts in (2, 3, 4):
        width = max(1, round(deepest / parts))
        step = max(1, round(deepest / 8))
        for last in range(deepest, width - 1, -step):
            found[tuple(range(last - width + 1, last + 1))] = None
    return list(found)


def choose(
    scores: dict[Method, Float[Tensor, "prompt cell"]],
    read: Cells,
    harmful: Bool[Tensor, " prompt"],
    *,
    positions: Iterable[Position],
    slots: Sequence[Sequence[int]],
) -> Choice:
    """The best of every method x position x run of slots, from the cell scores of the validation prompts.

    `read` names the cells of `scores`; `slots` lists the runs to compare.
    """
    candidates: list[tuple[Method, Cells]] = [
        (method, Cells(positions_of(position), tuple(run)))
        for method in scores
        for position in positions
        for run in slots
    ]
    marks = [
        _merit(scores[method][:, cells.within(read)].mean(dim=1), harmful) for method, cells in candidates
    ]
    best = max(range(len(candidates)), key=lambda index: marks[index])
    method, cells = candidates[best]
    return Choice(method=method, cells=cells, auroc=marks[best][0], considered=len(candidates))


def _merit(scores: Float[Tensor, " prompt"], harmful: Bool[Tensor, " prompt"]) -> tuple[float, float]:
    values, labels = scores.double().numpy(), harmful.numpy()
    spread = float(np.sqrt((values[labels].var() + values[~labels].var()) / 2))
    apart = float(values[labels].mean() - values[~labels].mean())
    return round(float(auroc(ranked(values, labels))[0]), 4), apart / (spread + 1e-12)


def mask(labels: Iterable[bool]) -> Bool[Tensor, " prompt"]:
    """Labels as a tensor."""
    return torch.tensor(list(labels), dtype=torch.bool)
