"""Probability and threshold, fitted on validation scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentguard.guard.calibration import calibrate, platt, threshold

SEEDS = st.integers(0, 10_000)


def drawn(seed=0, n=300, apart=2.0, scale=1.0):
    generator = np.random.default_rng(seed)
    harmful = np.arange(n) % 3 == 0
    return scale * (generator.normal(size=n) + apart * harmful), harmful


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.floats(-4, 4))
def test_probabilities_do_not_depend_on_the_unit_of_the_score(seed, exponent):
    scores, harmful = drawn(seed)
    first, second = calibrate(scores, harmful), calibrate(scores * 10**exponent, harmful)
    for score in (-2.0, 0.0, 3.0):
        assert second.probability(score * 10**exponent) == pytest.approx(first.probability(score), abs=1e-6)


def test_mean_probability_is_the_share_of_harmful_prompts():
    scores, harmful = drawn()
    fitted = calibrate(scores, harmful)
    mean = np.mean([fitted.probability(score) for score in scores])
    assert mean == pytest.approx(harmful.mean(), abs=0.01)


def test_two_gaussians_get_their_known_log_odds():
    scores, harmful = drawn(n=30_000)
    slope, intercept = platt(scores, harmful)
    assert slope == pytest.approx(2.0, abs=0.1)
    assert intercept == pytest.approx(-2.0 + np.log(1 / 2), abs=0.15)


def test_scores_that_rank_the_wrong_way_leave_the_prior():
    scores, harmful = drawn()
    fitted = calibrate(-scores, harmful)
    assert fitted.slope == 0
    assert fitted.probability(5.0) == fitted.probability(-5.0) == pytest.approx(1 / 3, abs=0.01)


def test_perfectly_separated_classes_stay_short_of_certainty():
    scores, harmful = drawn(apart=50.0)
    fitted = calibrate(scores, harmful)
    assert np.isfinite(fitted.slope)
    assert 0.9 < fitted.probability(50.0) < 1.0


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from([0.0, 0.01, 0.05, 0.3, 1.0]))
def test_the_target_false_positive_rate_is_kept_and_used_up(seed, target):
    scores, harmful = drawn(seed)
    scores = scores.round(1)
    cut = threshold(scores, harmful, target_fpr=target)
    assert (scores[~harmful] >= cut).mean() <= target
    lower = scores[scores < cut]
    if len(lower):
        assert (scores[~harmful] >= lower.max()).mean() > target or (scores >= cut).sum() == (
            scores >= lower.max()
        ).sum()


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_without_a_target_no_threshold_tells_the_classes_better(seed):
    scores, harmful = drawn(seed, n=40)

    def gain(cut):
        return (scores[harmful] >= cut).mean() - (scores[~harmful] >= cut).mean()

    assert gain(threshold(scores, harmful)) == pytest.approx(max(gain(cut) for cut in scores))


def test_a_threshold_stands_between_scores_not_on_one():
    cut = threshold(np.array([0.0, 1.0, 4.0, 5.0]), np.array([False, False, True, True]))
    assert cut == 2.5


def test_equal_scores_give_a_threshold_and_the_prior():
    fitted = calibrate(np.zeros(6), np.array([True, False] * 3))
    assert np.isfinite(fitted.threshold)
    assert fitted.probability(0.0) == pytest.approx(0.5)


def test_an_extreme_score_has_a_probability():
    fitted = calibrate(*drawn())
    assert fitted.probability(1e300) == pytest.approx(1.0)
    assert fitted.probability(-1e300) == pytest.approx(0.0)
