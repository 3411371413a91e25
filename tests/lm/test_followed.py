"""States read in transformers' own `generate` are those that `capture` reads, or the run is refused."""

from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from latentguard.errors import RunNotFollowed
from latentguard.lm import LanguageModel
from tests.lm.architectures import ARCHITECTURES
from tests.lm.tiny import tiny
from tests.lm.where import DEVICE, assert_same

PROMPTS = ["Sing a song.", "Sing a long song about the sea and the wind", "Why?"]
POSITIONS = ("t_inst", "t_post_inst")
SLOTS = (1, 3)


def _generate(model: LanguageModel, inputs: dict[str, torch.Tensor], **settings: Any) -> torch.Tensor:
    settings = {"max_new_tokens": 5, "do_sample": False, "pad_token_id": 0, **settings}
    return model.module.generate(**inputs, **settings)


def _inputs(model: LanguageModel, prompts: list[str], side: str = "left") -> dict[str, torch.Tensor]:
    """Padded by hand, on either side."""
    rows = [list(model.render(prompt).ids) for prompt in prompts]
    width = max(map(len, rows))
    pads = [[7] * (width - len(row)) for row in rows]
    real = [[1] * len(row) for row in rows]
    none = [[0] * len(pad) for pad in pads]
    if side == "left":
        ids, mask = (
            [p + r for p, r in zip(pads, rows, strict=True)],
            [n + r for n, r in zip(none, real, strict=True)],
        )
    else:
        ids, mask = (
            [r + p for p, r in zip(pads, rows, strict=True)],
            [r + n for n, r in zip(none, real, strict=True)],
        )
    return {
        "input_ids": torch.tensor(ids, device=DEVICE),
        "attention_mask": torch.tensor(mask, device=DEVICE),
    }


def _hooks(model: LanguageModel) -> int:
    """Everything hooked on any module of the model."""
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.module.modules())


RUNS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "no cache": {"use_cache": False},
    "chunked prefill": {"prefill_chunk_size": 7},
    "chunks of one token": {"prefill_chunk_size": 1},
    "beams": {"num_beams": 3},
    "several samples": {"do_sample": True, "num_return_sequences": 4},
    "one new token": {"max_new_tokens": 1},
}


@pytest.mark.parametrize("run", RUNS)
def test_states_are_those_of_capture(model: LanguageModel, run: str) -> None:
    before = _hooks(model)
    plain = _generate(model, _inputs(model, PROMPTS), **RUNS[run]) if "do_sample" not in RUNS[run] else None
    with model.following(PROMPTS, positions=POSITIONS, slots=SLOTS) as followed:
        watched = _generate(model, _inputs(model, PROMPTS), **RUNS[run])
    read = model.capture(PROMPTS, positions=POSITIONS, slots=SLOTS).tensor
    assert_same(followed.states.tensor, read, rtol=1e-3, atol=1e-4)
    assert plain is None or watched.equal(plain), "watching changes nothing"
    assert _hooks(model) == before


def test_padding_may_stand_on_the_right(qwen: LanguageModel) -> None:
    with qwen.following(PROMPTS, positions=POSITIONS, slots=SLOTS) as followed, torch.no_grad():
        qwen.module(**_inputs(qwen, PROMPTS, "right"))
    read = qwen.capture(PROMPTS, positions=POSITIONS, slots=SLOTS).tensor
    assert_same(followed.states.tensor, read, rtol=1e-3, atol=1e-4)


def test_nothing_is_hooked_once_the_prompts_have_passed(qwen: LanguageModel) -> None:
    hooked: list[int] = []

    def count(_: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        hooked.append(sum(len(block._forward_pre_hooks) for block in qwen.blocks.layers))
        return scores

    with qwen.following(PROMPTS, positions=POSITIONS, slots=SLOTS):
        _generate(qwen, _inputs(qwen, PROMPTS), logits_processor=[count])
    assert hooked == [0] * 5, "before the first token is chosen, and at every later one"


def test_other_prompts_are_refused(qwen: LanguageModel) -> None:
    for given, said in (
        (["Sing a song!", *PROMPTS[1:]], "of prompt 0 is"),
        (PROMPTS[::-1], "of prompt"),
        (PROMPTS[:2], "2 rows run and 3 prompts"),
    ):
        with pytest.raises(RunNotFollowed, match=said), qwen.following(PROMPTS, slots=SLOTS):
            _generate(qwen, _inputs(qwen, given))
        assert not any(block._forward_pre_hooks for block in qwen.blocks.layers)


def test_a_prompt_without_its_end_is_refused(qwen: LanguageModel) -> None:
    """Without the generation prompt the decision is not read where it is made."""
    inputs = {name: one[:, :-3] for name, one in _inputs(qwen, PROMPTS[:1]).items()}
    with qwen.following(PROMPTS[:1], slots=SLOTS) as followed:
        _generate(qwen, inputs, max_new_tokens=1)
    with pytest.raises(RunNotFollowed, match="tokens of prompt 0 have run"):
        _ = followed.states


def test_embeddings_and_static_caches_are_refused_by_name(qwen: LanguageModel) -> None:
    inputs = _inputs(qwen, PROMPTS)
    embedded = {
        "inputs_embeds": qwen.module.get_input_embeddings()(inputs["input_ids"]),
        "attention_mask": inputs["attention_mask"],
    }
    with pytest.raises(RunNotFollowed, match="embeddings"), qwen.following(PROMPTS, slots=SLOTS):
        _generate(qwen, embedded)
    with pytest.raises(RunNotFollowed, match="static cache"), qwen.following(PROMPTS, slots=SLOTS):
        _generate(qwen, inputs, cache_implementation="static", disable_compile=True)


def test_wrong_position_ids_are_refused(qwen: LanguageModel) -> None:
    inputs = _inputs(qwen, PROMPTS[:1])
    shifted = torch.arange(inputs["input_ids"].shape[1], device=DEVICE)[None] + 3
    with pytest.raises(RunNotFollowed, match="position id"), qwen.following(PROMPTS[:1], slots=SLOTS):
        qwen.module(**inputs, position_ids=shifted)


def test_position_ids_given_by_place_are_compared_too(qwen: LanguageModel) -> None:
    inputs = _inputs(qwen, PROMPTS[:1])
    given = inputs["input_ids"], inputs["attention_mask"]
    right = torch.arange(inputs["input_ids"].shape[1], device=DEVICE)[None]
    with qwen.following(PROMPTS[:1], slots=SLOTS) as followed, torch.no_grad():
        qwen.module(*given, right)
    assert followed.complete
    with pytest.raises(RunNotFollowed, match="position id"), qwen.following(PROMPTS[:1], slots=SLOTS):
        qwen.module(*given, right + 1)


def test_left_padding_without_position_ids_is_refused_where_the_model_would_count_it(
    qwen: LanguageModel,
) -> None:
    inputs = _inputs(qwen, PROMPTS)
    with pytest.raises(RunNotFollowed, match="gives no position ids"), qwen.following(PROMPTS, slots=SLOTS):
        qwen.module(**inputs)
    ids = (inputs["attention_mask"].cumsum(dim=1) - 1).clamp(min=0)
    with qwen.following(PROMPTS, positions=POSITIONS, slots=SLOTS) as followed, torch.no_grad():
        qwen.module(**inputs, position_ids=ids)
    read = qwen.capture(PROMPTS, positions=POSITIONS, slots=SLOTS).tensor
    assert_same(followed.states.tensor, read, rtol=1e-3, atol=1e-4)


def test_a_generate_that_cuts_tokens_off_before_its_deeper_blocks_is_refused_there() -> None:
    """Gemma-4 runs the blocks that share keys and values on the last token alone; before them all pass."""
    model = ARCHITECTURES["Gemma-4, keys and values shared by blocks"].build()
    refused = pytest.raises(RunNotFollowed, match="cuts the others off")
    with refused, model.following(PROMPTS, positions=POSITIONS) as followed:
        _generate(model, followed.inputs(0, model.device))
    with model.following(PROMPTS, positions=POSITIONS, slots=SLOTS) as followed:
        _generate(model, followed.inputs(0, model.device))
    read = model.capture(PROMPTS, positions=POSITIONS, slots=SLOTS).tensor
    assert_same(followed.states.tensor, read, rtol=1e-3, atol=1e-4)


def test_several_kinds_of_position_ids_must_be_those_of_text() -> None:
    """Models that also see are given an id of height and one of width beside that of the text."""
    model = ARCHITECTURES["Qwen3.5"].build()
    inputs = _inputs(model, PROMPTS[:1])
    ids = torch.arange(inputs["input_ids"].shape[1], device=DEVICE)[None, None].repeat(3, 1, 1)
    with model.following(PROMPTS[:1], slots=SLOTS) as followed, torch.no_grad():
        model.module(**inputs, position_ids=ids)
    assert followed.complete
    ids[1] += 1
    refused = pytest.raises(RunNotFollowed, match="not those of plain text")
    with refused, model.following(PROMPTS[:1], slots=SLOTS):
        model.module(**inputs, position_ids=ids)


@pytest.mark.parametrize("use_cache", [True, False])
def test_a_second_run_in_one_block_is_refused(qwen: LanguageModel, use_cache: bool) -> None:
    with qwen.following(PROMPTS, slots=SLOTS):
        _generate(qwen, _inputs(qwen, PROMPTS), use_cache=use_cache)
        for given in (PROMPTS, ["Other words."]):
            with pytest.raises(RunNotFollowed, match="another run begins"):
                _generate(qwen, _inputs(qwen, given), use_cache=use_cache)


@pytest.mark.parametrize("use_cache", [True, False])
def test_the_next_turn_of_the_same_conversation_is_another_run(qwen: LanguageModel, use_cache: bool) -> None:
    """It begins with the very prompt that was read, and would be answered under that prompt's verdict."""
    with qwen.following(PROMPTS[:1], slots=SLOTS):
        said = _generate(qwen, _inputs(qwen, PROMPTS[:1]), use_cache=use_cache)
        ids = torch.cat([said, said[:, :4]], dim=1)
        with pytest.raises(RunNotFollowed, match="another run begins"):
            _generate(qwen, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, use_cache=use_cache)


def test_a_run_that_failed_half_way_has_no_states(qwen: LanguageModel) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of something")

    with qwen.following(PROMPTS[:1], positions=POSITIONS, slots=SLOTS) as followed:
        handle = qwen.blocks.layers[2].register_forward_hook(fail)
        try:
            with pytest.raises(RuntimeError, match="out of something"):
                _generate(qwen, _inputs(qwen, PROMPTS[:1]))
        finally:
            handle.remove()
        assert not followed.complete
    with pytest.raises(RunNotFollowed):
        _ = followed.states


def test_nothing_run_is_nothing_read(qwen: LanguageModel) -> None:
    with qwen.following(PROMPTS, slots=SLOTS) as followed:
        qwen.capture(["Another prompt"], slots=SLOTS)
    with pytest.raises(RunNotFollowed, match="nothing has run"):
        _ = followed.states


def test_this_packages_own_runs_are_left_alone(qwen: LanguageModel) -> None:
    with qwen.following(PROMPTS, slots=SLOTS) as followed:
        qwen.generate(["Another prompt"], max_new_tokens=2)
        _generate(qwen, _inputs(qwen, PROMPTS))
    assert followed.complete


def test_the_module_is_a_transformers_model(qwen: LanguageModel) -> None:
    """What a user calls `generate` on."""
    assert isinstance(qwen.module, PreTrainedModel)


def test_a_window_shorter_than_the_prompt_is_followed() -> None:
    model = tiny("Mistral", sliding_window=16)
    with model.following(PROMPTS, positions=POSITIONS, slots=SLOTS) as followed:
        _generate(model, followed.inputs(0, torch.device("cpu")))
    read = model.capture(PROMPTS, positions=POSITIONS, slots=SLOTS).tensor
    assert_same(followed.states.tensor, read, rtol=1e-3, atol=1e-4)


def test_assisted_decoding_is_refused_by_name(qwen: LanguageModel) -> None:
    """Another model's candidates run some at a time, and only steps of one token are followed."""
    helper = tiny("Qwen2", seed=9).module
    with (
        pytest.raises(RunNotFollowed, match="assisted decoding is not followed"),
        qwen.following(PROMPTS[:1], slots=SLOTS),
    ):
        _generate(qwen, _inputs(qwen, PROMPTS[:1]), max_new_tokens=8, assistant_model=helper)
