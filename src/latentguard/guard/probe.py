"""A probe: one linear score a layer cell, averaged. Every method of the guard comes down to this.

    score(h) = mean over cells c of  w_c . n(h_c) + b_c,   n(h) = h / |h| or h

A cell is one (position, slot). Because the score is a plain mean, the score of any set of cells follows
from the scores of each: choosing slots costs no further fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from latentguard.beliefs.unit import unit

Method: TypeAlias = Literal["belief", "mean_difference", "lda", "logistic"]
METHODS: tuple[Method, ...] = ("belief", "mean_difference", "lda", "logistic")


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Weights of one fitted method, float32; a higher score means nearer to harmful."""

    weights: Float[Tensor, "cell hidden"]
    bias: Float[Tensor, " cell"]
    unit_length: bool
    """States are divided by their length first, as in a cosine."""

    def cell_scores(self, states: Float[Tensor, "prompt cell hidden"]) -> Float[Tensor, "prompt cell"]:
        """The score of every cell, float32. One cell at a time: no copy of all states is made."""
        columns = [
            _cell(states, cell, self.unit_length) @ self.weights[cell]
            for cell in range(self.weights.shape[0])
        ]
        return torch.stack(columns, dim=1) + self.bias

    def scores(self, states: Float[Tensor, "prompt cell hidden"]) -> Float[Tensor, " prompt"]:
        """The mean over cells."""
        return self.cell_scores(states).mean(dim=1)

    def at(self, cells: Sequence[int]) -> "Probe":
        """The probe of some cells only."""
        chosen = list(cells)
        return Probe(self.weights[chosen], self.bias[chosen], self.unit_length)


def scores_together(
    probes: Sequence[Probe], states: Float[Tensor, "prompt cell hidden"]
) -> Float[Tensor, "probe prompt"]:
    """The scores of several probes of one method on the same cells, each of which is read once for all."""
    weights = torch.stack([one.weights for one in probes], dim=1)
    columns = [_cell(states, cell, probes[0].unit_length) @ own.T for cell, own in enumerate(weights)]
    biases = torch.stack([one.bias for one in probes], dim=1)[:, None]
    return (torch.stack(columns) + biases).mean(dim=0).T


def _cell(
    states: Float[Tensor, "prompt cell hidden"], cell: int, unit_length: bool
) -> Float[Tensor, "prompt hidden"]:
    return unit(states[:, cell]) if unit_length else states[:, cell].float()
