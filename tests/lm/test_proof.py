"""The load-time proof passes on real architectures and fails where something is not what it seems."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertLMHeadModel, T5Config, T5ForConditionalGeneration

from latentguard.errors import ModelNotSupported
from latentguard.lm import LanguageModel
from latentguard.lm.blocks import LogitMap, find_blocks
from latentguard.lm.proof import prove
from tests.lm.templates import CHATML, byte_level
from tests.lm.tiny import tiny, tiny_module

CPU = torch.device("cpu")


def test_every_check_passes_and_everything_is_supported(model: LanguageModel) -> None:
    assert all(check.passed for check in model.proof.checks)
    assert all(model.proof.supports().values())
    assert {check.name for check in model.proof.checks} >= {
        "chain",
        "slots",
        "readout",
        "causal",
        "capture",
        "batch",
        "prefix sharing",
        "head zeroed",
        "head alone",
    }


def test_head_slices_are_the_projections_own(model: LanguageModel) -> None:
    assert model.proof.heads is not None
    for site in model.proof.heads:
        assert site is not None
        assert site.heads == 4
        assert site.heads * site.width == site.projection.in_features


def test_a_wrong_logit_map_is_found_out() -> None:
    module = tiny_module("Gemma2").eval()
    blocks = find_blocks(module)
    assert blocks.logit_map == LogitMap(1.0, 30.0)
    assert _failed(module, logit_map=LogitMap()) == ["readout"]


def test_a_wrong_norm_is_found_out() -> None:
    module = tiny_module("Llama").eval()
    assert "readout" in _failed(module, norm=nn.Identity())


def test_a_block_that_is_skipped_is_found_out() -> None:
    module = tiny_module("Llama").eval()
    layers = nn.ModuleList(list(module.model.layers)[:-1])
    with pytest.raises(ModelNotSupported):
        prove(module, _replaced(find_blocks(module), layers=layers), torch.float32, CPU)


def test_a_model_that_sees_later_tokens_is_refused() -> None:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=600,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        is_decoder=False,
    )
    with pytest.raises(ModelNotSupported):
        LanguageModel(BertLMHeadModel(config), byte_level(CHATML), name="an encoder")


def test_an_encoder_decoder_is_refused() -> None:
    config = T5Config(vocab_size=600, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4)
    with pytest.raises(ModelNotSupported, match="encoder-decoder"):
        LanguageModel(T5ForConditionalGeneration(config), byte_level(CHATML), name="T5")


def test_a_model_whose_batches_leak_is_refused() -> None:
    """A block that adds the batch's mean to every row: plausible states, wrong in any batch but one."""
    module = tiny_module("Llama").eval()

    class Leaking(type(module.model.layers[0])):
        def forward(self, hidden_states: Tensor, *arguments: Any, **keywords: Any) -> Any:
            return super().forward(hidden_states, *arguments, **keywords) + hidden_states.mean(
                dim=0, keepdim=True
            )

    module.model.layers[1].__class__ = Leaking
    with pytest.raises(ModelNotSupported, match="batch"):
        LanguageModel(module, byte_level(CHATML), name="leaking")


def test_a_cache_that_cannot_be_forked_falls_back_to_whole_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import DynamicCache

    def cannot(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(DynamicCache, "batch_select_indices", cannot)
    model = tiny("Llama")
    assert not model.proof.shares_prefixes
    assert model.capture(["one prompt", "one prompt more"]).tensor.shape == (2, 1, 5, 32)


def test_logit_maps_follow_the_config() -> None:
    logits = torch.tensor([1.0, -2.0])
    assert torch.equal(LogitMap.of(SimpleNamespace(logit_scale=0.5))(logits), logits * 0.5)
    assert torch.equal(LogitMap.of(SimpleNamespace(logits_scaling=4.0))(logits), logits / 4)
    capped = LogitMap.of(SimpleNamespace(final_logit_softcapping=1.0))(logits)
    assert torch.allclose(capped, torch.tanh(logits))


def _replaced(blocks: Any, **parts: Any) -> Any:
    import dataclasses

    return dataclasses.replace(blocks, **parts)


def _failed(module: Any, **parts: Any) -> list[str]:
    with pytest.raises(ModelNotSupported) as refused:
        prove(module, _replaced(find_blocks(module), **parts), torch.float32, CPU)
    return [line.split(":")[0].strip() for line in str(refused.value).splitlines() if "error" in line]
