"""Inside `remembering`, a state is computed once, is what it would have been, and edits are not mixed in."""

from pathlib import Path

import pytest
import torch
from torch import nn

from latentguard.lm import AddDirection, LanguageModel
from tests.lm.tiny import tiny
from tests.lm.where import assert_same, differ

PROMPTS = ["Sing a song.", "Sing a song!", "Name a river in the north?", "Sing a song."]


def tokens_run(model: LanguageModel) -> list[int]:
    """Grows by the number of tokens whenever block 0 runs."""
    seen: list[int] = []

    def count(_: nn.Module, arguments: tuple[torch.Tensor, ...], keywords: dict[str, torch.Tensor]) -> None:
        stream = arguments[0] if arguments else keywords["hidden_states"]
        seen.append(stream.shape[0] * stream.shape[1])

    model.blocks.layers[0].register_forward_pre_hook(count, with_kwargs=True)
    return seen


@pytest.mark.parametrize("slots", [None, [1, 3]])
def test_what_is_kept_equals_what_is_read(slots: list[int] | None) -> None:
    model = tiny("Qwen3")
    plain = model.capture(PROMPTS, positions=("t_inst", "t_post_inst"), slots=slots)
    with model.remembering():
        for _ in range(2):
            kept = model.capture(PROMPTS, positions=("t_inst", "t_post_inst"), slots=slots)
            assert_same(kept.tensor, plain.tensor, rtol=1e-5, atol=1e-6)
        means = model.means(PROMPTS, [0, 1, 0, 1], positions=("t_inst",), slots=slots)
    expected = torch.stack([plain.at("t_inst")[[0, 2]].mean(dim=0), plain.at("t_inst")[[1, 3]].mean(dim=0)])
    assert_same(means[:, 0], expected, rtol=1e-5, atol=1e-6)


def test_nothing_is_computed_twice() -> None:
    model = tiny("Qwen3")
    ran = tokens_run(model)
    with model.remembering():
        model.capture(PROMPTS, positions=("t_inst", "t_post_inst"))
        once = sum(ran)
        model.capture(PROMPTS[::-1], positions=("t_post_inst",), slots=[2])
        model.means(PROMPTS, [0, 0, 1, 1])
        assert sum(ran) == once
        model.capture([*PROMPTS, "Name a hill."])
        assert once < sum(ran) < 2 * once
    before = sum(ran)
    model.capture(PROMPTS, positions=("t_inst", "t_post_inst"))
    assert sum(ran) - before >= once


def test_a_deeper_reading_is_not_answered_by_a_shallower_one() -> None:
    model = tiny("Qwen3")
    plain = model.capture(PROMPTS, positions=("t_inst", "t_post_inst"))
    with model.remembering():
        model.capture(PROMPTS, slots=[1])
        both = model.capture(PROMPTS, positions=("t_inst", "t_post_inst"))
        model.capture(["Name a hill."], slots=[2])
        again = model.capture(PROMPTS, slots=[3])
    assert_same(both.tensor, plain.tensor, rtol=1e-5, atol=1e-6)
    assert_same(again.tensor[:, 0, 0], plain.at("t_inst")[:, 3], rtol=1e-5, atol=1e-6)


def test_edited_states_are_neither_kept_nor_answered_from_what_is_kept() -> None:
    model = tiny("Qwen3")
    edit = AddDirection(1, torch.ones(32), scale=3.0)
    with model.edited([edit]):
        expected = model.capture(PROMPTS, slots=[3])
    with model.remembering():
        plain = model.capture(PROMPTS, slots=[3])
        with model.edited([edit]):
            edited = model.capture(PROMPTS, slots=[3])
        again = model.capture(PROMPTS, slots=[3])
    assert_same(edited.tensor, expected.tensor, rtol=1e-5, atol=1e-6)
    assert torch.equal(again.tensor, plain.tensor)
    assert differ(edited.tensor, plain.tensor, atol=1e-3)


def test_an_untrained_copy_does_not_answer_with_the_models_states() -> None:
    model = tiny("Qwen3")
    with model.remembering():
        own = model.capture(PROMPTS, slots=[3])
        copy = model.reinitialised(0).capture(PROMPTS, slots=[3])
    assert differ(own.tensor, copy.tensor, atol=1e-3)


@pytest.mark.parametrize("use_cache", [True, False])
def test_replying_keeps_the_states_of_its_prompts_at_no_further_run(use_cache: bool) -> None:
    model = tiny("Qwen3")
    prompts = [*PROMPTS, "Tell me."]
    plain = model.capture(prompts, positions=("t_inst", "t_post_inst"))
    replies = model.generate(prompts, max_new_tokens=3, use_cache=use_cache)
    ran = tokens_run(model)
    with model.remembering():
        assert model.generate(prompts, max_new_tokens=3, use_cache=use_cache) == replies
        after = sum(ran)
        kept = model.capture(prompts, positions=("t_inst", "t_post_inst"))
        assert sum(ran) == after
    assert_same(kept.tensor, plain.tensor, rtol=1e-5, atol=1e-5)


def test_prompts_that_are_all_alike_are_still_read() -> None:
    model = tiny("Qwen3")
    with model.remembering():
        model.generate(["Sing."] * 2, max_new_tokens=2)
        kept = model.capture(["Sing."] * 2)
    assert_same(kept.tensor, model.capture(["Sing."] * 2).tensor, rtol=1e-5, atol=1e-5)


def test_states_in_a_folder_outlive_the_process_and_a_break_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("latentguard.lm.remembered._PROMPTS_A_FILE", 2)
    prompts = ["Sing a song.", "Name a river.", "Count the hills.", "Draw a boat.", "Tell me why."]
    model = tiny("Qwen3")
    plain = model.capture(prompts)

    def breaks(stage: str, done: int, total: int) -> None:
        if list(tmp_path.rglob("states-*")):
            raise KeyboardInterrupt

    with model.remembering(tmp_path), pytest.raises(KeyboardInterrupt):
        model.capture(prompts, progress=breaks)
    again = tiny("Qwen3")
    ran = tokens_run(again)
    with again.remembering(tmp_path):
        kept = again.capture(prompts)
        assert len(ran) > 0
        once = sum(ran)
    with again.remembering(tmp_path):
        again.capture(prompts)
    assert sum(ran) == once
    assert_same(kept.tensor, plain.tensor, rtol=1e-5, atol=1e-5)
    assert not list(tmp_path.rglob(".*"))


def test_a_folder_never_answers_for_another_model(tmp_path: Path) -> None:
    model, other = tiny("Qwen3"), tiny("Qwen3", seed=1)
    with model.remembering(tmp_path):
        model.capture(PROMPTS)
        copied = model.reinitialised(0).capture(PROMPTS)
    with other.remembering(tmp_path):
        assert torch.equal(other.capture(PROMPTS).tensor, other.capture(PROMPTS).tensor)
        kept = other.capture(PROMPTS)
    assert_same(kept.tensor, other.capture(PROMPTS).tensor, rtol=1e-5, atol=1e-6)
    assert len([*tmp_path.iterdir()]) == 3
    with model.remembering(tmp_path):
        assert torch.equal(model.reinitialised(0).capture(PROMPTS).tensor, copied.tensor)
