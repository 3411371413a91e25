"""The trigger of an answer: two thresholds and patience, and the level up to which it cuts."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from latentguard.errors import TooFewPrompts
from latentguard.guard.answers.choosing import fitted_trigger, highest
from latentguard.guard.answers.trigger import Trigger, level, tokens_until_cut

beliefs = some.lists(some.integers(-20, 20).map(lambda n: n / 10) | some.just(-math.inf), max_size=24)


def test_it_is_raised_stays_raised_between_its_thresholds_and_cuts_in_the_end() -> None:
    trigger = Trigger(high=1.0, low=0.5, patience=3)
    assert [trigger.take(one) for one in (0.7, 1.0, 0.6, 0.4, 1.2, 0.5, 0.6, -9.0)] == [
        *[False] * 6,
        True,  # the third raised token in a row
        True,  # and it stays cut
    ]


def test_a_token_of_a_refusal_lowers_it() -> None:
    assert tokens_until_cut([1.0, -math.inf, 1.0, 1.0], Trigger(0.9, 0.0, 2)) == 4


@given(beliefs, some.integers(0, 10), some.integers(1, 6), some.integers(-25, 25))
def test_an_answer_is_cut_up_to_its_level_and_not_above(
    series: list[float], gap: int, patience: int, tenths: int
) -> None:
    high = tenths / 10 + 0.05  # never a belief itself, nor one plus a gap
    found = level(series, gap=gap / 10, patience=patience)
    cut = tokens_until_cut(series, Trigger(high, high - gap / 10, patience)) is not None
    assert cut == (high <= found)


@given(
    some.lists(some.floats(-2, 2) | some.just(-math.inf), min_size=20, max_size=200), some.floats(0.05, 0.5)
)
def test_a_further_answer_is_cut_with_a_chance_of_the_target_at_most(
    levels: list[float], target: float
) -> None:
    """Left out in turn, and judged by a threshold set on the others: no more than the target of them."""
    cut = sum(one >= highest([*levels[:n], *levels[n + 1 :]], target) for n, one in enumerate(levels))
    assert cut <= max(target * len(levels), 1) + 1e-9


def test_a_trigger_that_no_harmless_answer_is_long_enough_for_is_none() -> None:
    """Nothing harmless says where its threshold lies: only shorter patience is left, or nothing at all."""
    short = [[0.1, 0.2, 0.3]] * 30
    long = [[5.0] * 20] * 10
    assert fitted_trigger(short, long, 0.1).patience <= 2
    with pytest.raises(TooFewPrompts, match="part of a refusal"):
        fitted_trigger([[-math.inf] * 8] * 30, long, 0.1)


def test_with_the_fewest_answers_none_of_them_is_cut() -> None:
    levels = np.random.default_rng(0).normal(size=99).tolist()
    assert highest(levels, 0.01) > max(levels)
