"""A beginning that is held runs once, and what comes after it is what it always was."""

import copy
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from latentguard.lm import AddDirection, LanguageModel
from tests.lm.where import assert_same, in_float32

PROMPTS = ["Sing a song.", "Sing a long song about the sea and the wind", "Why?", "Count to ten, slowly."]


@pytest.fixture
def own(model: LanguageModel) -> LanguageModel:
    """Each architecture, holding for itself."""
    return copy.copy(model)


def opening(model: LanguageModel) -> int:
    """Tokens that any two prompts begin with."""
    first, second = model.render("abc").ids, model.render("Zyx").ids
    return next(
        number for number, (one, other) in enumerate(zip(first, second, strict=False)) if one != other
    )


@contextmanager
def tokens_run(model: LanguageModel) -> Generator[list[int]]:
    """Of every call of the decoder, padding included."""
    calls: list[int] = []

    def count(_: Any, __: Any, keywords: dict[str, Any]) -> None:
        calls.append(keywords["input_ids"].numel())

    handle = model.blocks.decoder.register_forward_pre_hook(count, with_kwargs=True)
    try:
        yield calls
    finally:
        handle.remove()


@in_float32
def test_states_and_replies_are_the_same_in_every_architecture(
    model: LanguageModel, own: LanguageModel
) -> None:
    assert own.hold_beginning("hello", opening(own)) == own._runner.cache_may_be_padded([own.render("hello")])
    for prompts in (PROMPTS, PROMPTS[:1]):
        for positions in (("t_inst", "t_post_inst"), (0,)):
            assert_same(
                own.capture(prompts, positions=positions).tensor,
                model.capture(prompts, positions=positions).tensor,
            )
        replies = [one.ids for one in own.generate(prompts, max_new_tokens=8)]
        assert replies == [one.ids for one in model.generate(prompts, max_new_tokens=8)]


def test_its_tokens_run_once_and_never_again(qwen: LanguageModel) -> None:
    own, held = copy.copy(qwen), opening(qwen)
    with tokens_run(own) as before:
        own.capture(PROMPTS[:1])
    with tokens_run(own) as holding:
        assert own.hold_beginning("hello", held)
    with tokens_run(own) as after:
        own.capture(PROMPTS[:1])
        own.next_token_logits(PROMPTS[:1])
    assert holding == [held]
    whole = len(own.render(PROMPTS[0]).ids)
    assert sum(before) - after[0] == held
    assert after[1:] == [whole - held]


@in_float32
def test_edited_runs_and_prompts_that_begin_otherwise_run_whole(qwen: LanguageModel) -> None:
    own = copy.copy(qwen)
    edit = AddDirection(slot=1, direction=torch.ones(own.hidden_size), scope="all")
    with own.edited([edit]):
        expected = own.capture(PROMPTS[:2]).tensor
    other = [[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]]
    alone = own.capture(other).tensor
    own.hold_beginning("hello", opening(own))
    with own.edited([edit]):
        assert_same(own.capture(PROMPTS[:2]).tensor, expected)
    assert_same(own.capture(other).tensor, alone)


def test_no_beginning_at_all_is_refused(qwen: LanguageModel) -> None:
    for tokens in (0, len(qwen.render("hello").ids)):
        with pytest.raises(ValueError, match="no beginning"):
            copy.copy(qwen).hold_beginning("hello", tokens)


def test_an_untrained_copy_holds_nothing_of_its_original(qwen: LanguageModel) -> None:
    own = copy.copy(qwen)
    fresh = own.reinitialised(1).capture(PROMPTS[:2]).tensor
    own.hold_beginning("hello", opening(own))
    torch.testing.assert_close(own.reinitialised(1).capture(PROMPTS[:2]).tensor, fresh)
