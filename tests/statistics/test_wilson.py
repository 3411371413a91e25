import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentguard.statistics import wilson


def test_wilson_gives_the_published_example():
    """Newcombe 1998 (Statistics in Medicine 17:857), table I, method 3: 81 of 263, 15 of 148, 0 of 20."""
    for count, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)):
        found = wilson(count, n)
        assert found.low == pytest.approx(low, abs=5e-5)
        assert found.high == pytest.approx(high, abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_stays_between_0_and_1(row):
    found = wilson(*row)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high


def test_none_of_none_has_no_share():
    assert wilson(0, 0).value is None
    assert wilson(0, 0).low is None
