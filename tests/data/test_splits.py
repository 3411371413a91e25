"""Parts that share no request, and that look alike."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentguard.data import Prompt, split

PARTS = ("train", "validation", "test")


def parts_of(divided):
    return [getattr(divided, part) for part in PARTS]


def plain(count, *, categories=8):
    return [
        Prompt.of(
            f"request number {index}", label=label, category=f"c{index % categories}", id=f"{label}{index}"
        )
        for index in range(count)
        for label in ("harmful",)
    ] + [
        Prompt.of(f"wish number {index}", label="harmless", category=f"c{index % categories}")
        for index in range(count)
    ]


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 60), st.integers(0, 5))
def test_every_prompt_is_in_exactly_one_part(count, seed):
    prompts = plain(count)
    divided = parts_of(split(prompts, seed=seed))
    assert Counter(prompt.text for part in divided for prompt in part) == Counter(p.text for p in prompts)


def test_labels_and_categories_have_their_share_of_each_part():
    prompts = plain(200)
    for part, fraction in zip(parts_of(split(prompts)), (0.6, 0.2, 0.2), strict=True):
        for label in ("harmful", "harmless"):
            assert abs(sum(p.label == label for p in part) - 200 * fraction) <= 3
            for category in range(8):
                held = sum(p.label == label and p.category == f"c{category}" for p in part)
                assert abs(held - 25 * fraction) <= 2


def test_pairs_wrapped_variants_and_equal_texts_stay_together():
    pairs = [
        Prompt.of(f"{verb} thing {index}", label=label, base_id=f"pair{index}")
        for index in range(40)
        for verb, label in (("break", "harmful"), ("mend", "harmless"))
    ]
    plain_request = [Prompt.of(f"ask {index}", label="harmful", id=f"base{index}") for index in range(40)]
    wrapped = [
        Prompt.of(f"pretend: ask {index}", label="harmful", base_id=f"base{index}") for index in range(40)
    ]
    equal = [Prompt.of(f"Same  text {index}?", label="harmless") for index in range(40)]
    equal += [Prompt.of(f"same text {index}.", label="harmless") for index in range(40)]
    divided = split(pairs + plain_request + wrapped + equal)
    where = {prompt.text: number for number, part in enumerate(parts_of(divided)) for prompt in part}
    for index in range(40):
        assert where[f"break thing {index}"] == where[f"mend thing {index}"]
        assert where[f"ask {index}"] == where[f"pretend: ask {index}"]
        assert where[f"Same  text {index}?"] == where[f"same text {index}."]
    assert all(len(part) > 30 for part in parts_of(divided))


def test_the_split_depends_on_the_seed_and_not_on_the_order():
    prompts = plain(50)
    first, again = split(prompts, seed=3), split(prompts[::-1], seed=3)
    for part in PARTS:
        assert {p.text for p in getattr(first, part)} == {p.text for p in getattr(again, part)}
    assert {p.text for p in split(prompts, seed=4).test} != {p.text for p in first.test}


def test_parts_keep_the_order_given_and_a_zero_fraction_stays_empty():
    prompts = plain(30)
    divided = split(prompts, fractions=(0.8, 0.2, 0.0))
    assert divided.test == []
    order = {prompt.text: index for index, prompt in enumerate(prompts)}
    assert [order[p.text] for p in divided.train] == sorted(order[p.text] for p in divided.train)


@pytest.mark.parametrize("fractions", [(0.5, 0.2, 0.2), (1.2, -0.1, -0.1)])
def test_fractions_that_are_none_are_refused(fractions):
    with pytest.raises(ValueError, match="fractions"):
        split(plain(4), fractions=fractions)
