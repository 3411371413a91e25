import numpy as np
import pytest

from latentguard.statistics import auroc, mean


def test_the_interval_of_a_mean_is_about_the_standard_errors():
    values = np.random.default_rng(0).normal(3.0, 2.0, size=400)
    found = mean(values)
    half = 1.96 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.03)
    assert found.high == pytest.approx(values.mean() + half, abs=0.03)


def test_what_belongs_together_is_one_observation():
    """Every value four times over: the interval is that of the values, not half as wide."""
    values = np.random.default_rng(1).normal(size=60)
    alone, repeated = mean(values), mean(np.repeat(values, 4), [f"{n // 4}" for n in range(240)])
    assert repeated.high - repeated.low == pytest.approx(alone.high - alone.low, rel=0.15)


def test_nothing_has_no_mean():
    assert mean(np.zeros(0)).value is None


def test_an_auroc_counts_ties_half_and_needs_both_classes():
    scores, positive = np.array([0.0, 1.0, 1.0, 2.0]), np.array([False, False, True, True])
    assert auroc(scores, positive).value == pytest.approx(0.875)
    assert auroc(scores, np.ones(4, dtype=bool)).value is None
