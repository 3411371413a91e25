"""Fitting probes on plain tensors."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentguard.beliefs import belief
from latentguard.guard.methods import SHRINKAGE, fit_probe
from latentguard.guard.probe import METHODS
from latentguard.statistics.metrics import auroc, ranked

SEEDS = st.integers(0, 1000)


def drawn(seed=0, prompts=60, cells=3, hidden=12, shift=1.0):
    """Two classes that differ along one axis, under noise that is strong along another."""
    generator = torch.Generator().manual_seed(seed)
    harmful = torch.arange(prompts) % 2 == 0
    states = torch.randn(prompts, cells, hidden, generator=generator) + 2
    states[:, :, 1] = states[:, :, 1] * 6
    states[:, :, 0] += shift * harmful[:, None]
    return states, harmful


def area(scores, harmful):
    return float(auroc(ranked(scores.double().numpy(), harmful.numpy()))[0])


@pytest.mark.parametrize("method", METHODS)
def test_every_method_ranks_unseen_prompts_of_two_separated_classes(method):
    states, harmful = drawn(shift=4.0)
    unseen, labels = drawn(seed=1, shift=4.0)
    assert area(fit_probe(states, harmful, method).scores(unseen), labels) > 0.93


@pytest.mark.parametrize("method", METHODS)
def test_swapping_the_classes_turns_the_score_round(method):
    states, harmful = drawn()
    scores = fit_probe(states, harmful, method).scores(states)
    turned = fit_probe(states, ~harmful, method).scores(states)
    torch.testing.assert_close(turned, -scores, atol=2e-3, rtol=1e-3)


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_the_belief_probe_is_the_belief(seed):
    states, harmful = drawn(seed)
    expected = belief(states, states[harmful].mean(dim=0), states[~harmful].mean(dim=0), slots=range(3))
    torch.testing.assert_close(
        fit_probe(states, harmful, "belief").scores(states), expected, atol=1e-6, rtol=1e-4
    )


@settings(max_examples=10, deadline=None)
@given(SEEDS, st.sampled_from(["mean_difference", "lda", "logistic"]))
def test_trained_scores_do_not_depend_on_the_scale_of_the_states(seed, method):
    states, harmful = drawn(seed)
    scores = fit_probe(states, harmful, method).scores(states)
    torch.testing.assert_close(
        fit_probe(states * 100, harmful, method).scores(states * 100), scores, atol=5e-3, rtol=5e-3
    )


def test_lda_sees_through_noise_that_misleads_the_mean_difference():
    states, harmful = drawn(shift=2.0, prompts=80)
    unseen, labels = drawn(seed=5, shift=2.0, prompts=200)
    plain = area(fit_probe(states, harmful, "mean_difference").scores(unseen), labels)
    assert area(fit_probe(states, harmful, "lda").scores(unseen), labels) > plain + 0.05


@pytest.mark.parametrize(("prompts", "hidden"), [(60, 12), (20, 50)])
def test_lda_is_the_printed_formula_whichever_space_is_smaller(prompts, hidden):
    states, harmful = drawn(prompts=prompts, hidden=hidden, cells=1)
    values = states[:, 0].double()
    within = values.clone()
    for members in (harmful, ~harmful):
        within[members] -= values[members].mean(dim=0)
    deviation = within.square().mean(dim=0).sqrt()
    correlation = (within / deviation).T @ (within / deviation) / prompts
    shrunk = (1 - SHRINKAGE) * correlation + SHRINKAGE * torch.eye(hidden)
    difference = values[harmful].mean(dim=0) - values[~harmful].mean(dim=0)
    expected = torch.linalg.solve(shrunk, difference / deviation) / deviation
    found = fit_probe(states, harmful, "lda").weights[0].double()
    torch.testing.assert_close(found / found.norm(), expected / expected.norm(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("method", ["mean_difference", "lda", "logistic"])
def test_every_cell_has_the_same_spread_however_large_its_states_are(method):
    states, harmful = drawn()
    states[:, 1] *= 300
    spread = fit_probe(states, harmful, method).cell_scores(states).std(dim=0)
    torch.testing.assert_close(spread, torch.ones(3), atol=1e-2, rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_a_cell_that_is_the_same_for_every_prompt_has_no_say(method):
    states, harmful = drawn()
    states[:, 2] = states[0, 2].clone()
    probe = fit_probe(states, harmful, method)
    assert not probe.weights[2].any()
    assert probe.bias[2] == 0
    assert probe.scores(states).isfinite().all()


@pytest.mark.parametrize("method", METHODS)
def test_the_probe_of_some_cells_scores_as_those_cells_did(method):
    states, harmful = drawn()
    probe = fit_probe(states, harmful, method)
    part = probe.at([0, 2]).scores(states[:, [0, 2]])
    torch.testing.assert_close(part, probe.cell_scores(states)[:, [0, 2]].mean(dim=1))
