import numpy as np
import pytest

from latentguard.causal import effects


def test_a_share_has_wilsons_interval_and_none_of_none_no_value():
    found = effects.share(np.array([True] * 25))
    assert (found.value, found.n) == (1.0, 25)
    assert found.low == pytest.approx(0.867, abs=5e-4)
    assert effects.share(np.zeros(0, dtype=bool)).value is None


def test_what_controls_do_as_well_is_not_above_them():
    draw = np.random.default_rng(0)
    controls = draw.random((20, 40)) < 0.3
    found = effects.above(draw.random(40) < 0.3, controls)
    assert found.low < 0 < found.high
    sure = effects.above(np.ones(40, dtype=bool), controls)
    assert sure.value == pytest.approx(1 - controls.mean())
    assert 0.5 < sure.low <= sure.value <= sure.high


def test_the_interval_covers_the_difference_about_as_often_as_it_says():
    """100 experiments whose true difference is 0.3: 20 controls that differ among themselves, 30 prompts."""
    draw = np.random.default_rng(1)
    covered = 0
    for _ in range(100):
        rates = draw.beta(4, 16, size=20)
        controls = draw.random((20, 30)) < rates[:, None]
        found = effects.above(draw.random(30) < 0.5, controls)
        covered += found.low <= 0.3 <= found.high
    assert 0.88 <= covered / 100 <= 0.99


def test_prompts_are_resampled_together():
    """One control equal to the edit: the difference is 0 in every draw, however few prompts there are."""
    turned = np.array([True, False, True, False, False])
    found = effects.paired(turned, turned.copy())
    assert (found.low, found.value, found.high) == (0.0, 0.0, 0.0)


def test_nothing_to_compare_has_no_value():
    assert effects.above(np.zeros(0, dtype=bool), np.zeros((20, 0), dtype=bool)).value is None
    assert effects.above(np.ones(3, dtype=bool), np.zeros((0, 3), dtype=bool)).value is None
