"""The formulas of the paper, on plain tensors."""

import math
from inspect import unwrap

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentguard.beliefs import belief, coinciding, layer_scores
from latentguard.errors import UndefinedBelief

SEEDS = st.integers(0, 10_000)


def drawn(seed: int, prompts: int = 5, slots: int = 4, hidden: int = 8, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(prompts, slots, hidden, generator=generator, dtype=torch.float64)
    positive, negative = torch.randn(2, slots, hidden, generator=generator, dtype=torch.float64)
    return states.to(dtype), positive.to(dtype), negative.to(dtype)


def by_hand(states, positive, negative, slots):
    """The printed formula in plain Python floats."""

    def cosine(a, b):
        dot = sum(x * y for x, y in zip(a, b, strict=True))
        return dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(x * x for x in b))

    return [
        sum(
            cosine(prompt[slot].tolist(), positive[slot].tolist())
            - cosine(prompt[slot].tolist(), negative[slot].tolist())
            for slot in slots
        )
        / len(slots)
        for prompt in states
    ]


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_belief_is_the_printed_formula_without_slot_0(seed):
    states, positive, negative = drawn(seed)
    expected = torch.tensor(by_hand(states, positive, negative, [1, 2, 3]))
    torch.testing.assert_close(belief(states, positive, negative), expected, atol=1e-6, rtol=0)


def test_slots_name_what_is_averaged_slot_0_included():
    states, positive, negative = drawn(1)
    expected = torch.tensor(by_hand(states, positive, negative, [0, 1, 2, 3]))
    torch.testing.assert_close(
        belief(states, positive, negative, slots=range(4)), expected, atol=1e-6, rtol=0
    )
    one = belief(states, positive, negative, slots=[2])
    torch.testing.assert_close(one, layer_scores(states, positive, negative)[:, 2])


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.floats(-25, 25))
def test_belief_does_not_depend_on_the_length_of_a_state(seed, exponent):
    states, positive, negative = drawn(seed)
    torch.testing.assert_close(
        belief(states * 10.0**exponent, positive, negative),
        belief(states, positive, negative),
        atol=2e-6,
        rtol=0,
    )


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.floats(-25, 25))
def test_belief_does_not_depend_on_the_length_of_a_centroid(seed, exponent):
    states, positive, negative = drawn(seed)
    torch.testing.assert_close(
        belief(states, positive * 10.0**exponent, negative),
        belief(states, positive, negative),
        atol=2e-6,
        rtol=0,
    )


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_swapping_the_centroids_changes_the_sign_exactly(seed):
    states, positive, negative = drawn(seed)
    assert torch.equal(belief(states, positive, negative), -belief(states, negative, positive))


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_belief_does_not_depend_on_the_axes_of_hidden_space(seed):
    states, positive, negative = drawn(seed, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    rotation = torch.linalg.qr(torch.randn(8, 8, generator=generator, dtype=torch.float64))[0]
    torch.testing.assert_close(
        belief(states @ rotation, positive @ rotation, negative @ rotation),
        belief(states, positive, negative),
    )


def test_belief_reaches_two_where_a_state_is_one_centroid_and_opposite_to_the_other():
    centroid = torch.randn(3, 16, generator=torch.Generator().manual_seed(0))
    values = belief(torch.stack([centroid, -centroid]), centroid, -centroid)
    torch.testing.assert_close(values, torch.tensor([2.0, -2.0]))


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.sampled_from([torch.float32, torch.float16, torch.bfloat16]))
def test_belief_never_leaves_its_range(seed, dtype):
    states, positive, _ = drawn(seed, dtype=dtype)
    scores = layer_scores(torch.cat([states, positive[None]]), positive, -positive)
    assert scores.abs().max() <= 2.0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_input_is_computed_in_float32(dtype):
    states, positive, negative = drawn(3, hidden=512, dtype=dtype)
    half = belief(states, positive, negative)
    full = belief(states.double(), positive.double(), negative.double())
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, full.float(), atol=1e-6, rtol=0)


def test_half_precision_norms_beyond_256_do_not_overflow():
    states, positive, negative = drawn(4, hidden=512)
    large = belief((states * 2000).half(), (positive * 2000).half(), (negative * 2000).half())
    squares = (states * 2000).half().square().sum(dim=-1)
    assert squares.isinf().all(), "the premise: a norm taken in fp16 overflows here"
    torch.testing.assert_close(large, belief(states, positive, negative), atol=1e-3, rtol=0)


def test_float64_stays_float64():
    assert belief(*drawn(5, dtype=torch.float64)).dtype == torch.float64


def test_a_slot_whose_centroids_coincide_adds_exactly_0_and_is_named():
    states, positive, negative = drawn(6)
    negative[2] = positive[2]
    with pytest.warns(UserWarning, match=r"coincide at slots 2:"):
        value = belief(states, positive, negative)
    rest = layer_scores(states, positive, negative)
    assert torch.equal(rest[:, 2], torch.zeros(5))
    torch.testing.assert_close(value, (rest[:, 1] + rest[:, 3]) / 3)


def test_two_means_of_one_vector_coincide_however_they_were_rounded():
    vector = torch.randn(1, 3584, generator=torch.Generator().manual_seed(7)) * 5
    first, second = vector.repeat(97, 1).mean(dim=0)[None], vector.repeat(31, 1).mean(dim=0)[None]
    assert not torch.equal(first, second), "the premise: rounding tells them apart"
    assert coinciding(first, second).item()
    assert not coinciding(first, first * (1 + 1e-4)).item()
    states = torch.randn(4, 1, 3584, generator=torch.Generator().manual_seed(8))
    assert torch.equal(layer_scores(states, first, second), torch.zeros(4, 1))


def test_every_slot_coinciding_is_undefined():
    states, positive, _ = drawn(8)
    with pytest.raises(UndefinedBelief, match="every slot chosen"):
        belief(states, positive, positive.clone())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_state_that_is_not_finite_is_undefined_and_named(value):
    states, positive, negative = drawn(9)
    states[3, 2, 5] = value
    with pytest.raises(UndefinedBelief, match="prompt 3 at slot 2"):
        belief(states, positive, negative)


def test_a_zero_state_is_undefined():
    states, positive, negative = drawn(10)
    states[1, 3] = 0
    with pytest.raises(UndefinedBelief, match="prompt 1 at slot 3"):
        layer_scores(states, positive, negative)


def test_a_zero_centroid_is_undefined_and_named():
    states, positive, negative = drawn(11)
    negative[3] = 0
    with pytest.raises(UndefinedBelief, match=r"negative centroid .* slots 3"):
        belief(states, positive, negative)


def test_a_slot_that_is_not_chosen_may_hold_anything():
    states, positive, negative = drawn(12)
    states[:, 0], positive[0], negative[0] = float("nan"), 0.0, 0.0
    assert belief(states, positive, negative).isfinite().all()


def test_shapes_that_would_broadcast_are_refused():
    states, positive, negative = drawn(13)
    with pytest.raises(ValueError, match="states are"):
        unwrap(layer_scores)(states, positive[:1], negative[:1])  # without the shape checks of the tests


@pytest.mark.parametrize("slots", [[4], [-1], []])
def test_a_slot_that_does_not_exist_is_refused(slots):
    with pytest.raises(ValueError, match="slot"):
        belief(*drawn(14), slots=slots)


@pytest.mark.parametrize("slots", [[True], [1.0]], ids=repr)
def test_a_mask_or_a_float_is_refused(slots):
    # as iterators, into which the type checks of the tests do not look
    with pytest.raises(ValueError, match="whole number"):
        belief(*drawn(15), slots=iter(slots))


def test_the_order_and_the_company_of_prompts_do_not_matter():
    states, positive, negative = drawn(15)
    whole = belief(states, positive, negative)
    alone = torch.cat([belief(states[[index]], positive, negative) for index in (4, 2)])
    torch.testing.assert_close(alone, whole[[4, 2]], atol=1e-7, rtol=0)
