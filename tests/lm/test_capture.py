"""States are the model's own, whatever batch, order, padding, prefix or depth they were read with."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

from latentguard._progress import silent
from latentguard.errors import ModelNotSupported, NonFiniteState
from latentguard.lm import LanguageModel
from latentguard.lm import capture as capture_module
from latentguard.lm.budget import Budget
from latentguard.lm.proof.checks import TOLERANCE
from latentguard.lm.states import gather_states
from latentguard.lm.taps import head_taps
from tests.lm.plain import plain_states
from tests.lm.templates import CHATML, byte_level
from tests.lm.tiny import ARCHITECTURES, tiny, tiny_module
from tests.lm.where import DTYPE, assert_same

PROMPTS = [
    "How do I bake bread?",
    "How do I bake bread!",
    "How do I bake bread",
    "Tell me about the river that runs behind the old mill, and who built it.",
    "hi",
    "Tell me about the river that runs behind the old mill, and who sold it.",
    "数え方を教えて。",
]
POSITIONS = ("t_inst", "t_post_inst")


def _reference(model: LanguageModel, prompt: str, position: str) -> Tensor:
    """A plain transformers call on the one prompt."""
    rendered = model.render(prompt)
    return plain_states(model, input_ids=torch.tensor([rendered.ids]))[:, 0, rendered.index(position)]


@contextmanager
def _counted(model: LanguageModel) -> Iterator[dict[str, int]]:
    """Tokens given to the decoder, its calls, and blocks that ran to their end: hooks before a block fire
    where it is then not run."""
    counts = {"tokens": 0, "forwards": 0, "blocks": 0}

    def whole(_module: object, _arguments: object, keywords: dict[str, Tensor]) -> None:
        counts["forwards"] += 1
        counts["tokens"] += int((keywords["attention_mask"][:, -keywords["input_ids"].shape[1] :]).sum())

    def block(_module: object, _arguments: object, _output: object) -> None:
        counts["blocks"] += 1

    handles = [model.blocks.decoder.register_forward_pre_hook(whole, with_kwargs=True)]
    handles += [layer.register_forward_hook(block) for layer in model.blocks.layers]
    try:
        yield counts
    finally:
        for handle in handles:
            handle.remove()


def _hooks(model: LanguageModel) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.module.modules())


def test_states_equal_a_plain_run_of_one_prompt(model: LanguageModel) -> None:
    states = model.capture(PROMPTS, positions=POSITIONS)
    for row, prompt in enumerate(PROMPTS):
        for column, position in enumerate(POSITIONS):
            assert_same(states.tensor[row, column], _reference(model, prompt, position), rtol=1e-4, atol=1e-4)


def test_states_are_the_same_in_any_order_and_batch(model: LanguageModel) -> None:
    states = model.capture(PROMPTS, positions=POSITIONS).tensor
    order = [4, 0, 6, 3, 2, 5, 1]
    shuffled = model.capture([PROMPTS[row] for row in order], positions=POSITIONS).tensor
    assert_same(shuffled, states[order], rtol=1e-4, atol=1e-4)
    for row, prompt in enumerate(PROMPTS):
        alone = model.capture([prompt], positions=POSITIONS).tensor
        assert_same(alone[0], states[row], rtol=1e-4, atol=1e-4)


def test_states_in_the_models_own_dtype_are_the_same_states() -> None:
    tokenizer = byte_level(CHATML)
    module = tiny_module("Qwen2", vocab_size=len(tokenizer)).to(torch.bfloat16)
    model = LanguageModel(module, tokenizer, name="tiny")
    wide = model.capture(PROMPTS, positions=POSITIONS)
    own = model.capture(PROMPTS, positions=POSITIONS, dtype=None)
    assert (wide.tensor.dtype, own.tensor.dtype) == (torch.float32, torch.bfloat16)
    assert torch.equal(own.tensor.float(), wide.tensor)


def test_early_exit_reads_the_same_states_and_runs_no_deeper_block(model: LanguageModel) -> None:
    whole = model.capture(PROMPTS)
    for deepest in range(model.n_slots):
        with _counted(model) as counts:
            part = model.capture(PROMPTS[3:5], slots=[0, deepest])
        column = list(part.slots).index(deepest)
        assert_same(part.tensor[:, 0, column], whole.tensor[3:5, 0, deepest], rtol=1e-5, atol=1e-5)
        assert counts["forwards"] > 0
        assert counts["blocks"] == counts["forwards"] * deepest


def test_tokens_after_the_last_wanted_position_do_not_run(qwen: LanguageModel) -> None:
    rendered = qwen.render(PROMPTS[3])
    with _counted(qwen) as counts:
        qwen.capture([rendered], positions=("t_inst",))
    assert counts["tokens"] == rendered.t_inst + 1


def test_what_prompts_share_runs_once(qwen: LanguageModel) -> None:
    endings = [PROMPTS[3].rstrip(".") + mark for mark in ("", ".", "?", "!")]
    lengths = [qwen.render(prompt).t_inst + 1 for prompt in endings]
    with _counted(qwen) as counts:
        qwen.capture(endings)
    assert counts["tokens"] <= max(lengths) + 6
    assert counts["tokens"] < sum(lengths) / 3


def test_running_means_equal_means_of_states(model: LanguageModel) -> None:
    groups = [0, 1, 0, 1, 1, 0, 1]
    states = model.capture(PROMPTS, positions=POSITIONS).tensor
    means = model.means(PROMPTS, groups, positions=POSITIONS)
    for group in (0, 1):
        rows = [row for row, of in enumerate(groups) if of == group]
        assert_same(means[group], states[rows].mean(dim=0), rtol=1e-5, atol=1e-5)


def test_a_group_without_a_prompt_has_no_mean(qwen: LanguageModel) -> None:
    with pytest.raises(ValueError, match="group 1"):
        qwen.means(PROMPTS[:2], [0, 2])


def test_left_padding_gives_the_same_states(model: LanguageModel) -> None:
    """What a plain left-padded batch of transformers reads, given a mask and position ids."""
    rendered = [model.render(prompt) for prompt in PROMPTS]
    width = max(len(prompt.ids) for prompt in rendered)
    padding = [width - len(prompt.ids) for prompt in rendered]
    ids = torch.zeros((len(rendered), width), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(rendered):
        ids[row, padding[row] :] = torch.tensor(prompt.ids)
        mask[row, padding[row] :] = 1
    places = (mask.cumsum(dim=1) - 1).clamp(min=0)
    plain = plain_states(model, input_ids=ids, attention_mask=mask, position_ids=places)
    states = model.capture(rendered, positions=POSITIONS)
    assert len(plain) == model.n_slots == len(states.slots)
    for position in POSITIONS:
        columns = [before + prompt.index(position) for before, prompt in zip(padding, rendered, strict=True)]
        own = plain[:, range(len(rendered)), columns].transpose(0, 1)
        assert_same(states.at(position), own, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("model", sorted(ARCHITECTURES.keys() - {"Gemma2"}), indirect=True)
def test_states_are_the_same_under_either_attention_backend(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gemma-2 has eager attention only: sdpa knows no soft cap."""
    own = model.module.config._attn_implementation
    attention = torch.nn.functional.scaled_dot_product_attention
    fused: set[str] = set()

    def told(*arguments: Tensor, **options: object) -> Tensor:
        fused.add(backend)
        return attention(*arguments, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", told)
    states: dict[str, Tensor] = {}
    try:
        for backend in ("sdpa", "eager"):
            model.module.set_attn_implementation(backend)
            states[backend] = model.capture(PROMPTS, positions=POSITIONS).tensor
    finally:
        model.module.set_attn_implementation(own)
    assert fused == {"sdpa"}
    gap = (states["sdpa"] - states["eager"]).norm(dim=-1) / states["eager"].norm(dim=-1)
    assert gap.max() < (2e-5 if DTYPE is torch.float32 else TOLERANCE[DTYPE])  # measured: 1e-6 to 5e-6


def test_a_state_that_is_not_finite_is_refused_by_slot() -> None:
    model = tiny("Llama")
    model.blocks.layers[1].mlp.down_proj.weight.data.fill_(float("inf"))
    with pytest.raises(NonFiniteState, match="slot 2"):
        model.capture(PROMPTS[:2])
    assert model.capture(PROMPTS[:2], slots=[0, 1]).tensor.isfinite().all()


def test_a_stream_that_outgrows_half_precision_is_refused_by_slot() -> None:
    """Gemma's states outgrow float16 as Gemma's own do: by what a block adds, in sound weights."""
    module = tiny_module("Gemma2", vocab_size=len(byte_level(CHATML)))
    model = LanguageModel(module.to(torch.float16), byte_level(CHATML), name="Gemma in float16")
    assert model.capture(PROMPTS[:2]).tensor.isfinite().all()
    model.blocks.layers[2].post_feedforward_layernorm.weight.data.fill_(6e4)
    with pytest.raises(NonFiniteState, match="slot 3"):
        model.capture(PROMPTS[:2])
    assert model.capture(PROMPTS[:2], slots=[0, 1, 2]).tensor.isfinite().all()


def test_an_out_of_memory_batch_is_halved_and_no_prompt_is_lost(
    qwen: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = qwen.capture(PROMPTS)
    means = qwen.means(PROMPTS, [0] * len(PROMPTS))
    run = capture_module.run
    failures = 0

    def short_of_memory(
        blocks: object, before: object, sequences: list[object], *rest: object, **named: object
    ) -> object:
        nonlocal failures
        if len(sequences) > 1:
            failures += 1
            raise torch.OutOfMemoryError("as if")
        return run(blocks, before, sequences, *rest, **named)

    monkeypatch.setattr(capture_module, "run", short_of_memory)
    assert_same(qwen.capture(PROMPTS).tensor, plain.tensor, rtol=1e-4, atol=1e-4)
    assert_same(qwen.means(PROMPTS, [0] * len(PROMPTS)), means, rtol=1e-4, atol=1e-4)
    assert failures > 1


def test_batches_double_until_memory_runs_out_and_then_stay(
    qwen: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [f"Sing about number {number}." for number in range(60)]
    plain = qwen.capture(prompts)
    run = capture_module.run
    ran: list[int] = []

    def short_of_memory(
        blocks: object, before: object, sequences: list[tuple[int, ...]], *rest: object, **named: object
    ) -> object:
        if len(sequences) > 20:
            raise torch.OutOfMemoryError("as if")
        ran.append(len(sequences))
        return run(blocks, before, sequences, *rest, **named)

    monkeypatch.setattr(capture_module, "run", short_of_memory)
    budget = Budget(16, 1 << 19)
    monkeypatch.setattr(qwen, "_budget", budget)
    assert_same(qwen.capture(prompts).tensor, plain.tensor, rtol=1e-4, atol=1e-4)
    assert max(ran) > 8, "batches grew"
    assert budget.tokens == budget.most < 1 << 19, "what did not fit is not tried again"


def test_no_hook_is_left_after_an_exception(qwen: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _hooks(qwen)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("as if")

    monkeypatch.setattr(capture_module, "run", broken)
    with pytest.raises(RuntimeError, match="as if"):
        qwen.capture(PROMPTS)
    assert _hooks(qwen) == before


@pytest.mark.parametrize("slots", [[-1], [99], []])
def test_slots_that_do_not_exist_are_named(qwen: LanguageModel, slots: list[int]) -> None:
    with pytest.raises(ValueError, match="there are slots 0 to"):
        qwen.capture(PROMPTS[:1], slots=slots)


def test_a_place_that_is_not_passed_is_an_error_and_no_empty_memory(qwen: LanguageModel) -> None:
    """As with hooks on modules that the model does not run."""
    elsewhere = tiny("Qwen3").proof.heads
    sites = list(enumerate(site for site in elsewhere or () if site is not None))
    rendered = [qwen.render(prompt) for prompt in PROMPTS]
    out, sink = gather_states(len(rendered), 1, len(sites), 64)
    with pytest.raises(ModelNotSupported, match=f"0 states passed the heads of block 0 where {len(PROMPTS)}"):
        qwen._runner.taps(rendered, [(one.t_inst,) for one in rendered], head_taps(sites), sink, silent)
    assert out.shape[0] == len(PROMPTS)
