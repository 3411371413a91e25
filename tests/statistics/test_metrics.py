"""Metrics against plain definitions, and the bootstrap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from latentguard.statistics.metrics import (
    auroc,
    calibration_error,
    ranked,
    resampled,
    roc_points,
    share,
    tpr_at_fpr,
)

SEEDS = st.integers(0, 10_000)


def drawn(seed, n=40, levels=9):
    """Scores with many ties, and labels with both classes."""
    generator = np.random.default_rng(seed)
    harmful = np.r_[True, False, generator.random(n - 2) < 0.4]
    return generator.integers(0, levels, n) + 2.0 * harmful, harmful


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_auroc_is_the_textbook_value_with_ties_counted_half(seed):
    scores, harmful = drawn(seed)
    assert auroc(ranked(scores, harmful))[0] == pytest.approx(roc_auc_score(harmful, scores))


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from([0.01, 0.05, 0.2, 1.0]))
def test_tpr_at_fpr_is_the_highest_point_of_the_roc_curve_left_of_it(seed, fpr):
    scores, harmful = drawn(seed)
    rates, caught, _ = roc_curve(harmful, scores, drop_intermediate=False)
    assert tpr_at_fpr(ranked(scores, harmful), fpr)[0] == pytest.approx(caught[rates <= fpr + 1e-9].max())


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_a_weighted_value_is_the_value_of_the_repeated_prompts(seed):
    scores, harmful = drawn(seed)
    weights = np.random.default_rng(seed).integers(0, 4, (3, len(scores))).astype(float)
    weights[:, :2] += 1
    for row, value, caught in zip(
        weights,
        auroc(ranked(scores, harmful, weights)),
        tpr_at_fpr(ranked(scores, harmful, weights), 0.05),
        strict=True,
    ):
        times = row.astype(int)
        repeated = ranked(np.repeat(scores, times), np.repeat(harmful, times))
        assert value == pytest.approx(auroc(repeated)[0])
        assert caught == pytest.approx(tpr_at_fpr(repeated, 0.05)[0])


def test_auroc_of_reversed_scores_is_one_minus_it():
    scores, harmful = drawn(3)
    assert auroc(ranked(-scores, harmful))[0] == pytest.approx(1 - auroc(ranked(scores, harmful))[0])


def test_a_class_that_is_missing_has_no_auroc():
    assert np.isnan(auroc(ranked(np.arange(4.0), np.zeros(4, dtype=bool)))[0])


def test_roc_points_run_from_corner_to_corner_and_hold_the_area():
    scores, harmful = drawn(4)
    levels = ranked(scores, harmful)
    fpr, tpr = roc_points(levels)
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(tpr, fpr) == pytest.approx(auroc(levels)[0])


def test_calibration_error_is_0_where_probabilities_are_frequencies():
    harmful = np.array([True, False] * 50)
    assert calibration_error(np.full(100, 0.5), harmful, bins=1)[0] == pytest.approx(0.0)
    assert calibration_error(np.full(100, 0.9), harmful, bins=1)[0] == pytest.approx(0.4)


def test_calibration_error_of_confident_mistakes_is_1():
    harmful = np.array([True] * 10 + [False] * 10)
    assert calibration_error((~harmful).astype(float), harmful)[0] == pytest.approx(1.0)


def test_a_share_counts_only_the_prompts_it_is_about():
    marked, among = np.array([True, True, False, True]), np.array([True, False, True, False])
    assert share(marked, among)[0] == pytest.approx(0.5)
    assert np.isnan(share(marked, np.zeros(4, dtype=bool))[0])


def test_a_bootstrap_draws_whole_groups_within_their_stratum():
    groups = np.array([0, 0, 1, 1, 2, 3, 4])
    strata = np.array([0, 0, 0, 0, 1, 1, 1])
    draws = resampled(groups, strata, resamples=200, seed=0)
    assert (draws[:, 0] == draws[:, 1]).all()
    assert (draws[:, 2] == draws[:, 3]).all()
    assert (draws[:, [0, 2]].sum(axis=1) == 2).all()
    assert (draws[:, 4:].sum(axis=1) == 3).all()
    assert draws[:, 0].std() > 0


def test_a_bootstrap_is_the_same_for_the_same_seed_only():
    groups, strata = np.arange(30), np.zeros(30, dtype=int)
    first = resampled(groups, strata, resamples=5, seed=1)
    assert (first == resampled(groups, strata, resamples=5, seed=1)).all()
    assert (first != resampled(groups, strata, resamples=5, seed=2)).any()


def test_the_bootstrap_spread_of_an_auroc_is_near_its_known_standard_error():
    generator = np.random.default_rng(0)
    harmful = np.arange(400) % 2 == 0
    scores = generator.normal(size=400) + harmful
    draws = resampled(np.arange(400), harmful.astype(int), resamples=1000, seed=0)
    area = roc_auc_score(harmful, scores)
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    expected = np.sqrt(
        (area * (1 - area) + 199 * (first - area**2) + 199 * (second - area**2)) / 200**2
    )  # Hanley & McNeil 1982
    assert auroc(ranked(scores, harmful, draws)).std() == pytest.approx(expected, rel=0.15)
