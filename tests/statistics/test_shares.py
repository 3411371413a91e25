"""Shares of observations that belong together: the interval counts what is independent."""

import pytest

from latentguard.statistics import share, wilson


def test_of_observations_on_their_own_it_is_wilsons_share():
    marked = [True] * 7 + [False] * 13
    assert share(marked, [str(n) for n in range(20)]) == wilson(7, 20)


def test_copies_of_one_observation_tell_no_more_than_it_did():
    marked = [True] * 3 + [False] * 5
    alone = wilson(3, 8)
    copied = share([one for one in marked for _ in range(6)], [str(n) for n in range(8) for _ in range(6)])
    assert (copied.value, copied.n) == (alone.value, 48)
    assert (copied.low, copied.high) == (pytest.approx(alone.low), pytest.approx(alone.high))


def test_one_large_group_beside_small_ones_is_hardly_more_than_itself():
    groups = ["large"] * 91 + [f"small {n}" for n in range(9)]
    found = share([True] * 91 + [False] * 9, groups)
    assert found.value == 0.91
    assert found.low < 0.3, "as one observation and a fifth, not as ten"


def test_none_of_none_has_no_share():
    assert share([], []).value is None
