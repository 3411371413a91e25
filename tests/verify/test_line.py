"""A line passes by its number alone, and says how sure that number is."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentguard.verify import NOTHING, Measured, line, share


@given(outcomes=st.lists(st.booleans(), min_size=1, max_size=300))
def test_a_share_lies_in_its_interval_and_the_interval_in_0_to_1(outcomes: list[bool]) -> None:
    measured = share(outcomes)
    low, high = measured.interval
    assert 0 <= low <= measured.value + 1e-12
    assert measured.value - 1e-12 <= high <= 1
    assert measured.n == len(outcomes)


def test_wilsons_interval_is_the_published_one() -> None:
    """Wilson 1927 for 10 of 20: 0.299 to 0.701 (Brown, Cai and DasGupta 2001)."""
    measured = share([True] * 10 + [False] * 10)
    assert measured.interval == pytest.approx((0.2993, 0.7007), abs=1e-4)


def test_more_prompts_make_a_narrower_interval() -> None:
    few, many = share([True, False] * 10), share([True, False] * 1000)
    assert many.interval[1] - many.interval[0] < few.interval[1] - few.interval[0]


def test_a_share_of_nothing_is_no_number() -> None:
    assert share([]) is NOTHING
    assert math.isnan(NOTHING.value)
    assert all(map(math.isnan, NOTHING.interval))
    assert NOTHING.n == 0


@pytest.mark.parametrize(
    ("relation", "value", "passed"),
    [(">=", 0.97, True), (">=", 0.9699, False), ("<=", 0.25, False), ("<=", 0.1, True), ("<=", 0.2, True)],
)
def test_a_bound_holds_or_not(relation: str, value: float, passed: bool) -> None:
    limit = 0.97 if relation == ">=" else 0.2
    assert line("x", Measured(value, (0.0, 1.0), 9), relation, limit).passed is passed  # type: ignore[arg-type]


@pytest.mark.parametrize("relation", [">=", "<="])
def test_a_value_that_is_no_number_never_passes(relation: str) -> None:
    assert not line("x", NOTHING, relation, 0.5).passed  # type: ignore[arg-type]
