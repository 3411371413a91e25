import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentguard.report.intervals import finite, mean_interval, wilson


def test_wilson_gives_the_published_example():
    """Newcombe 1998 (Statistics in Medicine 17:857), table I, method 3: 81 of 263, 15 of 148, 0 of 20."""
    for count, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)):
        found = wilson(count, n)
        assert found.low == pytest.approx(low, abs=5e-5)
        assert found.high == pytest.approx(high, abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_stays_between_0_and_1(row):
    found = wilson(*row)
    assert 0 <= found.low <= found.share <= found.high <= 1
    assert found.low < found.high


def test_none_of_none_has_no_share():
    assert wilson(0, 0).share is None
    assert wilson(0, 0).low is None


def test_mean_interval_is_students():
    """Student's t for n = 5: 2.776 standard errors."""
    values = torch.tensor([[1.0], [2.0], [3.0], [4.0], [5.0]])
    mean, low, high = mean_interval(values)
    half = 2.7764451 * math.sqrt(2.5 / 5)
    assert float(mean) == pytest.approx(3.0)
    assert float(low) == pytest.approx(3 - half, abs=1e-5)
    assert float(high) == pytest.approx(3 + half, abs=1e-5)


def test_one_prompt_has_no_interval():
    with pytest.raises(ValueError, match="two values"):
        mean_interval(torch.zeros(1, 3))


def test_what_is_not_finite_becomes_none():
    assert finite(torch.tensor([1.0, float("nan"), float("inf")])) == (1.0, None, None)
