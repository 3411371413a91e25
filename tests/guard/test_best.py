"""The search that a guard and its control share."""

import torch

from latentguard._progress import silent
from latentguard.guard.best import fit_cells
from latentguard.guard.methods import fit_probe
from latentguard.guard.probe import METHODS


def drawn(prompts=40, cells=3, hidden=6):
    states = torch.randn(prompts, cells, hidden, generator=torch.Generator().manual_seed(0))
    harmful = torch.arange(prompts) % 2 == 0
    states[:, :, 0] += 1.0 * harmful[:, None]
    return states, harmful


def test_cells_fitted_one_by_one_are_those_fitted_together():
    states, harmful = drawn()
    for method in METHODS:
        one_by_one = fit_cells(states, harmful, method, stage="fitting", progress=silent)
        together = fit_probe(states, harmful, method)
        torch.testing.assert_close(one_by_one.weights, together.weights)
        torch.testing.assert_close(one_by_one.bias, together.bias)
        assert one_by_one.unit_length == together.unit_length


def test_every_fitted_cell_is_a_step_that_is_told():
    told = []
    fit_cells(*drawn(), "lda", stage="fitting lda", progress=lambda *step: told.append(step))
    assert told == [("fitting lda", 1, 3), ("fitting lda", 2, 3), ("fitting lda", 3, 3)]
