"""Replies a token at a time are the replies of `generate`, and their text comes whole in pieces."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from latentguard.lm import LanguageModel, Sampling
from latentguard.lm.replies.spelling import Spelling
from tests.lm.tiny import tiny
from tests.lm.where import in_float32

PROMPTS = ["Sing a song.", "Sing a long song about the sea and the wind", "Why?"]


def replied(
    model: LanguageModel, limits: list[int], **options: object
) -> list[tuple[str, str, tuple[int, ...]]]:
    replying = model.replying(
        PROMPTS,
        max_new_tokens=limits,
        samplings=[Sampling()] * len(PROMPTS),
        stop=[()] * len(PROMPTS),
        **options,  # type: ignore[arg-type]
    )
    texts = [""] * len(PROMPTS)
    while not replying.finished:
        for one in replying.step():
            texts[one.number] += one.text
    assert replying.step() == []
    done = [replying.done(number) for number in range(len(PROMPTS))]
    return [(text, one.text, one.ids) for text, one in zip(texts, done, strict=True)]


@in_float32
def test_they_are_the_replies_of_generate_each_to_its_own_limit(model: LanguageModel) -> None:
    limits = [4, 9, 1]
    for (pieces, text, ids), prompt, limit in zip(replied(model, limits), PROMPTS, limits, strict=True):
        whole = model.generate([prompt], max_new_tokens=limit)[0]
        assert ids == whole.ids
        assert pieces == text == whole.text


@in_float32
def test_states_of_reply_tokens_are_those_of_a_capture(model: LanguageModel) -> None:
    """The token of step k is read in step k + 1, beside everything before it."""
    slots = (0, 1, model.n_blocks)
    replying = model.replying(
        PROMPTS[:2], max_new_tokens=[4, 4], samplings=[Sampling()] * 2, stop=[(), ()], slots=slots
    )
    replying.step()
    assert replying.states == {}
    for step in range(3):
        replying.step()
        for number, prompt in enumerate(PROMPTS[:2]):
            rendered = model.render(prompt)
            ids = (*rendered.ids, *replying.done(number).ids[: step + 1])
            hidden = model.module(
                torch.tensor([ids], device=model.device), output_hidden_states=True, use_cache=False
            ).hidden_states
            for place, slot in enumerate(slots[:-1]):
                torch.testing.assert_close(
                    replying.states[number][place], hidden[slot][0, -1].float().cpu(), atol=2e-5, rtol=2e-5
                )


@in_float32
def test_a_reply_that_is_ended_leaves_and_the_others_go_on(model: LanguageModel) -> None:
    replying = model.replying(PROMPTS, max_new_tokens=[6] * 3, samplings=[Sampling()] * 3, stop=[()] * 3)
    replying.step()
    replying.end(0)
    later = [one.number for _ in range(3) for one in replying.step()]
    assert 0 not in later
    assert 1 in later
    while not replying.finished:
        replying.step()
    assert replying.done(1).ids == model.generate([PROMPTS[1]], max_new_tokens=6)[0].ids


@in_float32
def test_prompts_whose_cache_may_hold_no_padding_must_be_equally_long() -> None:
    model = tiny("Mistral", sliding_window=16)
    with pytest.raises(ValueError, match="not equally long"):
        replied(model, [12, 12, 12])


def test_a_limit_below_one_is_refused(model: LanguageModel) -> None:
    with pytest.raises(ValueError, match="at least one token"):
        replied(model, [4, 0, 4])


texts = some.text(some.characters(codec="utf-8"), max_size=40)


@given(texts, some.lists(some.text("ab \n", min_size=1, max_size=4), max_size=3))
def test_pieces_together_are_the_text_and_nothing_of_a_stop_string_is_shown(
    text: str, stops: list[str]
) -> None:
    """A token a byte: every character of several bytes is torn."""
    data = text.encode()
    spelling = Spelling(lambda ids: bytes(ids).decode(errors="replace"), stops)
    shown, expected = "", text
    for number in range(len(data)):
        shown += spelling.take(data[number])
        said = data[: number + 1].decode(errors="replace")
        ends = [said.index(stop) for stop in stops if stop in said]
        if ends:  # a reply ends with the first stop string that is whole
            shown, expected = shown + spelling.end(cut=True), said[: min(ends)]
            break
    else:
        shown += spelling.end(cut=False)
    assert shown == expected
