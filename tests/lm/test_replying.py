"""Replies a token at a time are the replies of `generate`, and their text comes whole in pieces."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from latentguard.lm import LanguageModel, Replying, Sampling
from latentguard.lm.replies.spelling import Spelling
from tests.lm.architectures import ARCHITECTURES
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


def begun(
    model: LanguageModel, prompts: list[str], limits: list[int], steps: int, **options: object
) -> Replying:
    replying = model.replying(
        prompts,
        max_new_tokens=limits,
        samplings=[Sampling()] * len(prompts),
        stop=[()] * len(prompts),
        **options,  # type: ignore[arg-type]
    )
    for _ in range(steps):
        replying.step()
    return replying


def ids_alone(model: LanguageModel, prompt: str, limit: int) -> tuple[int, ...]:
    return model.generate([prompt], max_new_tokens=limit)[0].ids


def finished(replying: Replying, *others: tuple[int, Replying]) -> dict[int, tuple[int, ...]]:
    """The ids of every reply; `others` join before the step of their number."""
    found: dict[int, tuple[int, ...]] = {}
    step = 0
    while not replying.finished:
        for number, other in others:
            if number == step:
                assert replying.join(other) is not None
        for one in replying.step():
            found[one.number] = replying.done(one.number).ids
        step += 1
    return found


JOINING = [name for name, one in ARCHITECTURES.items() if "prefix sharing" not in one.refused]


NOT_JOINED = {
    "Llama-4, chunked attention",
    "Mistral, sliding window",
    "Gemma-2",
    "Gemma-3 text",
    "Cohere2",
    "GPT-OSS",
    "Gemma-3 with vision",
    "Gemma-4 with vision",
    "Gemma-4, keys and values shared by blocks",
}
"""Their attention has a window, towards which padding would count."""


@in_float32
@pytest.mark.parametrize("name", JOINING)
def test_replies_that_join_are_what_they_would_be_alone(name: str) -> None:
    """Three that began apart, of other lengths, of which some end before the others come or go."""
    model = ARCHITECTURES[name].build()
    first = begun(model, [PROMPTS[1]], [12], 2)
    second = begun(model, [PROMPTS[2]], [3], 1)
    if first.join(second) is None:  # an attention window that padding would count towards
        assert name in NOT_JOINED
        return
    assert name not in NOT_JOINED
    third = begun(model, ["How far is it to the next town over the hills?"], [6], 1)
    found = finished(first, (4, third))
    assert found[0] == ids_alone(model, PROMPTS[1], 12)
    assert found[1] == ids_alone(model, PROMPTS[2], 3)
    assert found[2] == ids_alone(model, "How far is it to the next town over the hills?", 6)


@in_float32
def test_what_has_ended_is_forgotten_and_its_place_in_the_cache_is_given_back() -> None:
    """Replies come and go for ever: nothing grows."""
    model = tiny()
    replying = begun(model, [PROMPTS[1]], [4], 1)
    for _ in range(12):
        assert replying.join(begun(model, [PROMPTS[0]], [4], 1)) is not None
        replying.step()
    assert len(replying._rows) <= 5
    assert len(replying._batch.prefill.prompts) == len(replying._batch.replies) <= 5
    segment = replying._batch._segment
    assert segment is not None
    assert segment.seen.shape[1] <= len(model.render(PROMPTS[0]).ids) + 4 + 12
    assert segment.cache is not None
    assert segment.cache.layers[0].keys.shape[-2] == segment.seen.shape[1]


@in_float32
def test_states_follow_those_that_join() -> None:
    model = tiny()
    slots = (1, model.n_blocks)
    one = begun(model, [PROMPTS[0]], [6], 2, slots=slots)
    other = begun(model, [PROMPTS[1]], [6], 2, slots=slots)
    beside = begun(model, [PROMPTS[1]], [6], 3, slots=slots)
    assert one.join(other) == 1
    one.step()
    torch.testing.assert_close(one.states[1], beside.states[0], atol=2e-5, rtol=2e-5)
    assert one.join(begun(model, [PROMPTS[2]], [6], 1)) is None  # whose tokens are not read


@in_float32
def test_what_has_not_begun_or_is_over_does_not_join() -> None:
    model = tiny()
    one = begun(model, [PROMPTS[0]], [4], 1)
    assert one.join(begun(model, [PROMPTS[1]], [4], 0)) is None
    assert one.join(begun(model, [PROMPTS[1]], [1], 1)) is None
    assert one.step()


@in_float32
def test_a_reply_that_has_ended_and_stays_in_its_batch_is_read_no_more() -> None:
    """Where a cache may hold no padding no row leaves before all have ended."""
    model = tiny("Mistral", sliding_window=16)
    replying = begun(model, ["Sing song 1.", "Sing song 2."], [2, 6], 2, slots=(1,))
    assert sorted(replying.states) == [0, 1]
    replying.step()
    assert sorted(replying.states) == [1]
    assert replying.done(1).ids[:3] == ids_alone(model, "Sing song 2.", 3)
