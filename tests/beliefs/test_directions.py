"""Differences of means and their cosines."""

from inspect import unwrap

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentguard.beliefs import cosine_by_slot, difference_of_means, directions, stacked


def centroids(seed=0, slots=3, hidden=6):
    return torch.randn(2, slots, hidden, generator=torch.Generator().manual_seed(seed))


def made(positive, negative, **options):
    return directions(
        positive,
        negative,
        kind="harmfulness",
        position="t_inst",
        n_positive=12,
        n_negative=11,
        endings="balanced",
        **options,
    )


def test_a_direction_keeps_its_raw_length():
    positive, negative = centroids()
    chosen = made(positive, negative)
    torch.testing.assert_close(stacked(chosen), positive - negative)
    assert chosen[1].length == pytest.approx(float((positive[1] - negative[1]).norm()))


def test_a_direction_says_its_slot_in_the_model():
    positive, negative = centroids()
    assert [direction.slot for direction in made(positive, negative, slots=[4, 9, 11])] == [4, 9, 11]
    assert [direction.slot for direction in made(positive, negative)] == [0, 1, 2]


def test_half_precision_centroids_are_subtracted_in_float32():
    positive, negative = (centroids() * 30000).half()
    assert difference_of_means(positive, negative).isfinite().all()
    assert (positive - negative).isinf().any(), "the premise: fp16 overflows here"


def test_a_slot_whose_means_coincide_has_no_direction():
    positive, negative = centroids()
    negative[0] = positive[0] * (1 + 1e-7)
    difference = difference_of_means(positive, negative)
    assert torch.equal(difference[0], torch.zeros(6))
    assert cosine_by_slot(difference, positive)[0].isnan()
    assert cosine_by_slot(difference, positive)[1:].isfinite().all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(-20, 20))
def test_a_cosine_ignores_length_and_is_symmetric(seed, exponent):
    first, second = centroids(seed)
    expected = torch.nn.functional.cosine_similarity(first.double(), second.double(), dim=1).float()
    torch.testing.assert_close(cosine_by_slot(first * 10.0**exponent, second), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(cosine_by_slot(second, first), expected, atol=1e-6, rtol=0)


def test_a_cosine_with_itself_is_1_and_never_more():
    first, _ = centroids(slots=50)
    assert cosine_by_slot(first, first).max() <= 1.0
    torch.testing.assert_close(cosine_by_slot(first, -first), -torch.ones(50))


def test_stacks_that_would_broadcast_are_refused():
    first, second = centroids()
    with pytest.raises(ValueError, match="differ in shape"):
        unwrap(cosine_by_slot)(first, second[:1])  # without the shape checks of the tests
