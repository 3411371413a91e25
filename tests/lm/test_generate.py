"""Replies are what plain greedy decoding gives, whatever batch, cache or shared beginning."""

import pytest
import torch
from transformers import DynamicCache

from latentguard.lm import LanguageModel
from tests.lm.tiny import tiny
from tests.lm.where import assert_same, in_float32

PROMPTS = ["Sing a song.", "Sing a long song about the sea and the wind", "Why?", "Count to ten, slowly."]


@in_float32
def test_greedy_replies_equal_transformers_own(model: LanguageModel) -> None:
    replies = model.generate(PROMPTS, max_new_tokens=10)
    for prompt, reply in zip(PROMPTS, replies, strict=True):
        ids = torch.tensor([model.render(prompt).ids], device=model.device)
        own = model.module.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=10, do_sample=False, pad_token_id=0
        )
        assert reply.ids == tuple(own[0, ids.shape[1] :].tolist())


@in_float32
def test_a_reply_does_not_depend_on_its_batch(model: LanguageModel) -> None:
    together = model.generate(PROMPTS, max_new_tokens=6)
    assert [reply.ids for reply in together] == [
        model.generate([p], max_new_tokens=6)[0].ids for p in PROMPTS
    ]


@in_float32
@pytest.mark.parametrize("architecture", ["Mistral", "Gemma2"])
def test_a_reply_beyond_the_attention_window_does_not_depend_on_its_batch(architecture: str) -> None:
    """Padding in a cache would count towards the window: rows of such a batch are equally long."""
    model = tiny(architecture, sliding_window=16)
    together = [reply.ids for reply in model.generate(PROMPTS, max_new_tokens=12)]
    assert together == [model.generate([p], max_new_tokens=12)[0].ids for p in PROMPTS]
    assert together == [reply.ids for reply in model.generate(PROMPTS, max_new_tokens=12, use_cache=False)]


@in_float32
def test_a_cache_that_cannot_be_reordered_replies_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [reply.ids for reply in tiny("Llama").generate([*PROMPTS, *PROMPTS[:2]], max_new_tokens=8)]

    def cannot(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(DynamicCache, "batch_select_indices", cannot)
    model = tiny("Llama")
    assert not model.proof.shares_prefixes
    ending = expected[0][3]
    monkeypatch.setattr(model, "_ends", lambda: (ending,))
    replies = model.generate([*PROMPTS, *PROMPTS[:2]], max_new_tokens=8)
    for reply, whole in zip(replies, expected, strict=True):
        assert reply.ids == (whole[: whole.index(ending)] if ending in whole else whole)


def test_first_token_logits_are_the_models_own(model: LanguageModel) -> None:
    logits = model.next_token_logits(PROMPTS)
    for row, prompt in enumerate(PROMPTS):
        with torch.no_grad():
            ids = torch.tensor([model.render(prompt).ids], device=model.device)
            own = model.module(input_ids=ids).logits[0, -1]
        assert_same(logits[row], own, rtol=1e-3, atol=1e-3)


def test_a_stop_string_is_cut_off(qwen: LanguageModel) -> None:
    whole = qwen.generate(PROMPTS[:1], max_new_tokens=12)[0]
    stop = whole.text[3:5]
    reply = qwen.generate(PROMPTS[:1], max_new_tokens=12, stop=[stop])[0]
    assert reply.finish == "stop"
    assert reply.text == whole.text[: whole.text.index(stop)]
    assert whole.finish == "length"
    assert len(whole.ids) == 12


def test_an_end_token_ends_the_reply_and_is_not_part_of_it(
    qwen: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = qwen.generate(PROMPTS, max_new_tokens=8)
    ending = whole[1].ids[4]
    monkeypatch.setattr(qwen, "_ends", lambda: (ending,))
    for reply, before in zip(qwen.generate(PROMPTS, max_new_tokens=8), whole, strict=True):
        if ending in before.ids:
            assert reply.finish == "eos"
            assert reply.ids == before.ids[: before.ids.index(ending)]
        else:
            assert reply.ids == before.ids


def test_sampling_depends_on_the_seed_alone(qwen: LanguageModel) -> None:
    first = qwen.generate(PROMPTS, max_new_tokens=8, temperature=1.0, seed=3)
    again = qwen.generate(PROMPTS, max_new_tokens=8, temperature=1.0, seed=3)
    other = qwen.generate(PROMPTS, max_new_tokens=8, temperature=1.0, seed=4)
    assert [r.ids for r in first] == [r.ids for r in again]
    assert [r.ids for r in first] != [r.ids for r in other]


def test_a_narrow_nucleus_is_greedy(qwen: LanguageModel) -> None:
    greedy = qwen.generate(PROMPTS, max_new_tokens=8)
    narrow = qwen.generate(PROMPTS, max_new_tokens=8, temperature=1.0, top_p=1e-6)
    assert [r.ids for r in greedy] == [r.ids for r in narrow]


@pytest.mark.parametrize(
    "settings", [{"temperature": -1.0}, {"top_p": 0.0}, {"top_p": 1.5}, {"max_new_tokens": 0}]
)
def test_impossible_settings_are_refused(qwen: LanguageModel, settings: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        qwen.generate(PROMPTS, **{"max_new_tokens": 4, **settings})
