"""What goes back to a request that was fitted on is known again, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentguard.data import Prompt, with_endings
from latentguard.guard.relatives import recognised_by, remembered_as, request_numbers, text_hash

ENDINGS = ("", ".", "?!", "…", ":", '."', ".”", "؟", "।", "。", "! 🍞", " 🍞👍🏽", ".)", " **", "?\n")


def known(fitted: Prompt, other: Prompt) -> bool:
    return not remembered_as(fitted).isdisjoint(recognised_by(other))


def row(text, **names):
    return Prompt.of(text, **names)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_text_is_known_again_whatever_its_ending(ending):
    assert text_hash(Prompt.of(f"Paint the lamp{ending}")) == text_hash(Prompt.of("Paint the lamp"))


def test_a_text_is_known_again_whatever_its_case_and_white_space():
    known = text_hash(Prompt.of("Paint  the lamp"))
    assert text_hash(Prompt.of(" paint the\nLAMP ")) == known
    assert text_hash(Prompt.of("paint the lamps")) != known


@pytest.mark.parametrize(
    ("one", "other"),
    [("Explain C", "Explain C++"), ("!!!", "???"), ("🍞", "👍"), ("रोटी", "रोटा"), ("lamp 1", "lamp 2")],
)
def test_what_tells_two_texts_apart_is_no_ending(one, other):
    assert text_hash(Prompt.of(one)) != text_hash(Prompt.of(other))


def test_a_conversation_is_known_by_all_its_turns():
    system = [{"role": "system", "content": "x"}, {"role": "user", "content": "paint the lamp"}]
    assert text_hash(Prompt.of(system)) != text_hash(Prompt.of("paint the lamp"))
    assert text_hash(Prompt.of([*system[:1], {"role": "user", "content": "Paint the lamp!"}])) == text_hash(
        Prompt.of(system)
    )


@given(
    st.text(min_size=1).filter(lambda text: any(character.isalnum() for character in text)),
    st.sampled_from([None, "es", "ur"]),
)
def test_every_variant_that_a_fit_makes_of_a_prompt_is_known_again(text, lang):
    prompt = Prompt.of(text, lang=lang)
    assert {text_hash(variant) for variant in with_endings([prompt])} == {text_hash(prompt)}


FITTED = row("Paint the lamp", id="bench-7", base_id="pair-3", source="bench")


@pytest.mark.parametrize(
    "relative",
    [
        row("Painted be the lamp", base_id="bench-7", source="wrappings"),
        row("Wrapped: paint the lamp", base_id="bench-7"),
        row("Smash the lamp", id="bench-8", base_id="pair-3", source="bench"),
        row("Male die Lampe an", id="bench-7", source="bench"),
        row("What the pair was made from", id="pair-3", source="seeds"),
    ],
    ids=["wrapping of another set", "wrapping without a set", "pair", "same row", "seed"],
)
def test_whatever_goes_back_to_a_fitted_request_is_known(relative):
    assert known(FITTED, relative)


@pytest.mark.parametrize(
    "stranger",
    [
        row("Bake bread", id="bench-7", source="another bench"),
        row("Bake bread", id="bench-9", base_id="pair-4", source="bench"),
        row("Bake bread"),
    ],
    ids=["same id of another source", "another row", "no name"],
)
def test_nothing_else_is_known(stranger):
    assert not known(FITTED, stranger)


def test_a_trivial_id_is_understood_within_its_own_source():
    first = row("Paint the lamp", id="1", source="a")
    assert known(first, row("wrapped", base_id="1", source="a"))
    assert not known(first, row("Bake bread", id="1", source="b"))
    assert not known(first, row("wrapped bread", base_id="1", source="b"))
    assert not known(row("wrapped", base_id="1", source="a"), row("other", base_id="1", source="b"))


def test_rows_numbered_without_a_source_are_no_relatives_but_wrappings_are():
    first = row("Paint the lamp", id="1")
    assert not known(first, row("Bake bread", id="1"))
    assert known(first, row("wrapped", base_id="1"))


def test_neither_text_nor_name_is_kept():
    for mark in remembered_as(FITTED):
        assert len(mark) == 16
        int(mark, 16)


def test_a_request_its_wrappings_and_its_pair_have_one_number():
    prompts = [
        row("plain", id="bench-1", source="bench"),
        row("wrapped", id="w-1", base_id="bench-1", source="wrappings"),
        row("wrapped twice", base_id="w-1", source="wrappings"),
        row("another", id="bench-2", source="bench"),
        row("half", base_id="5", source="harmful"),
        row("other half", base_id="5", source="harmless"),
        row("plain", id="5", source="elsewhere"),
        row("nameless"),
        row("nameless"),
    ]
    first, wrapped, twice, another, half, other_half, elsewhere, *nameless = request_numbers(prompts)
    assert first == wrapped == twice
    assert half == other_half
    assert len({first, another, half, elsewhere, *nameless}) == 6
