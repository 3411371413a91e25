"""Which method, position and slots: the candidate that reads most, of those that rank the validation prompts
about as well as the best.

Slots are runs of neighbours (all of them, halves, thirds and quarters of the depth); slot 0, the token's
embedding, is never among them. Candidates are compared by AUROC on the validation prompts with the endings
of the fit. About as well means within one standard error of the best (Breiman et al. 1984, section 3.4.3;
the error is that of Hanley and McNeil 1982): the few best runs differ by luck, and a mean over more cells is
less at the mercy of what is peculiar to the fitting prompts. On Qwen2.5-Coder-1.5B the best run of slots
ranked prompts of unseen public sets at 0.942, all slots together at 0.960. Of candidates that read equally
many cells the best wins; of equally good ones, that whose class means lie furthest apart, in units of the
spread.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from latentguard.guard.cells import Cells, Position, positions_of
from latentguard.guard.probe import Method
from latentguard.statistics.metrics import auroc, ranked


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
    variants: int = 1,
) -> Choice:
    """One of every method x position x run of slots, from the cell scores of the validation prompts.

    `read` names the cells of `scores`; `slots` lists the runs to compare. `variants`: how many rows each
    prompt has, with one ending or another: they are nearly copies, and count as one in the standard error.
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
    best = max(area for area, _ in marks)
    floor = best - standard_error(best, int(harmful.sum()) / variants, int((~harmful).sum()) / variants)
    close = [index for index, (area, _) in enumerate(marks) if area >= floor]
    chosen = max(close, key=lambda index: (_size(candidates[index][1]), marks[index]))
    method, cells = candidates[chosen]
    return Choice(method=method, cells=cells, auroc=marks[chosen][0], considered=len(candidates))


def standard_error(area: float, n_harmful: float, n_harmless: float) -> float:
    """Of an AUROC over that many prompts of each class (Hanley and McNeil 1982, equation 1); 0 at 1."""
    one, other = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (n_harmful - 1) * (one - area**2) + (n_harmless - 1) * (other - area**2)
    return sqrt(max(spread, 0.0) / (n_harmful * n_harmless))


def _size(cells: Cells) -> int:
    return len(cells.positions) * len(cells.slots)


def _merit(scores: Float[Tensor, " prompt"], harmful: Bool[Tensor, " prompt"]) -> tuple[float, float]:
    values, labels = scores.double().numpy(), harmful.numpy()
    spread = float(np.sqrt((values[labels].var() + values[~labels].var()) / 2))
    apart = float(values[labels].mean() - values[~labels].mean())
    return round(float(auroc(ranked(values, labels))[0]), 4), apart / (spread + 1e-12)


def mask(labels: Iterable[bool]) -> Bool[Tensor, " prompt"]:
    """Labels as a tensor."""
    return torch.tensor(list(labels), dtype=torch.bool)
