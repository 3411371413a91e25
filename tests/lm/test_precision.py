"""bfloat16 is taken where its states agree with float32, and not where they do not."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from latentguard.lm import load, precision
from latentguard.lm.chat import ChatTemplate
from tests.lm.templates import CHATML, byte_level
from tests.lm.tiny import tiny_module


def _module(dtype: torch.dtype) -> Any:
    return tiny_module("Qwen3").to(dtype).eval()


def _with_a_common_offset(dtype: torch.dtype) -> Any:
    """A model whose first block adds 512 to every number of every state, as large models do to a few of them:
    neighbouring bfloat16 numbers are 4 apart there, more than the states of two prompts are."""
    module = tiny_module("Llama", vocab_size=len(byte_level(CHATML)), mlp_bias=True)
    module.model.layers[0].mlp.down_proj.bias.data.fill_(512.0)
    return module.to(dtype).eval()


def _differences(dtype: torch.dtype) -> Tensor:
    """Between the last states of some prompts, one slot after another, as plain transformers reads them."""
    module = _with_a_common_offset(dtype)
    prompts = byte_level(CHATML)(["Sing a song.", "How do I bake bread?", "Name a river"])["input_ids"]
    with torch.no_grad():
        runs = [module(input_ids=torch.tensor([ids]), output_hidden_states=True) for ids in prompts]
    states = [torch.stack(run.hidden_states[1:-1])[:, 0, -1].double() for run in runs]
    return torch.stack([one - other for one, other in combinations(states, 2)])


def test_float32_agrees_with_itself() -> None:
    assert precision.agreement(_module(torch.float32), byte_level(CHATML)) == pytest.approx(1.0, abs=1e-5)


def test_measuring_leaves_the_weights_as_they_were() -> None:
    module = _module(torch.bfloat16)
    before = {name: parameter.clone() for name, parameter in module.named_parameters()}
    cosine = precision.agreement(module, byte_level(CHATML))
    assert 0.9 < cosine < 1.0
    assert all(torch.equal(parameter, before[name]) for name, parameter in module.named_parameters())
    assert all(parameter.dtype == torch.bfloat16 for parameter in module.parameters())


@pytest.mark.parametrize(
    ("position", "steps_before", "seen"),
    [("t_inst", 0, True), ("t_post_inst", 0, True), ("t_inst", 1, False), ("t_post_inst", 1, False)],
)
def test_agreement_is_measured_at_the_two_positions_of_a_chat(
    position: str, steps_before: int, seen: bool
) -> None:
    module, chat = _module(torch.bfloat16), ChatTemplate(byte_level(CHATML))
    chats = [chat.render(prompt) for prompt in precision._PROMPTS]
    token = {len(one.ids): one.index(position) - steps_before for one in chats}
    assert len(token) == len(chats)
    untouched = precision.agreement(module, byte_level(CHATML))

    def spoilt(_module: object, _arguments: object, output: Tensor) -> Tensor:
        """What leaves the last block in bfloat16, other than in float32 at one token of every chat."""
        noise = torch.zeros_like(output)
        if output.shape[1] in token:  # finding the blocks runs two tokens, which are no chat
            noise[0, token[output.shape[1]]].normal_(std=100, generator=draw)
        return output + noise

    draw = torch.Generator().manual_seed(0)
    module.model.layers[-1].register_forward_hook(spoilt)
    assert (precision.agreement(module, byte_level(CHATML)) != untouched) == seen


def test_bfloat16_loses_what_tells_states_with_a_common_offset_apart() -> None:
    narrow, wide, exact = map(_differences, (torch.bfloat16, torch.float32, torch.float64))
    assert torch.cosine_similarity(wide, exact, dim=-1).min() > 0.9999
    assert torch.cosine_similarity(narrow, exact, dim=-1).min() < 0.9


def test_a_model_whose_bfloat16_states_disagree_is_loaded_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "native_bfloat16", lambda: True)
    monkeypatch.setattr(precision, "_SMALL", 0)
    byte_level(CHATML).save_pretrained(tmp_path)
    _with_a_common_offset(torch.float32).save_pretrained(tmp_path)
    model = load(tmp_path, device="cpu")
    assert model.dtype == torch.float32
    assert any("disagree" in note for note in model.notes)


@pytest.mark.parametrize(
    ("native", "small", "make", "taken", "reason"),
    [
        (False, 0, _module, "float32", "no bfloat16"),
        (True, precision._SMALL, _module, "float32", "small"),
        (True, 0, _module, "bfloat16", " agree"),
        (True, 0, _with_a_common_offset, "float32", " disagree"),
    ],
    ids=["plain CPU", "small model", "agreement", "disagreement"],
)
def test_every_choice_says_what_was_taken_and_why(
    native: bool,
    small: int,
    make: Callable[[torch.dtype], Any],
    taken: str,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(precision, "native_bfloat16", lambda: native)
    monkeypatch.setattr(precision, "_SMALL", small)
    choice = precision.choose_dtype(make, byte_level(CHATML))
    assert next(choice.module.parameters()).dtype == getattr(torch, taken)
    assert choice.note.startswith(f"dtype {taken}: ")
    assert reason in choice.note
