"""The load-time proof passes on real architectures and fails where something is not what it seems."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertLMHeadModel, DynamicCache, T5Config, T5ForConditionalGeneration

from latentguard.errors import ModelNotSupported
from latentguard.lm import AddDirection, LanguageModel
from latentguard.lm.blocks import LogitMap, find_blocks
from latentguard.lm.capture import Reader
from latentguard.lm.edits.scope import Scoped
from latentguard.lm.proof.at_load import prove
from tests.lm.templates import CHATML, byte_level
from tests.lm.tiny import tiny, tiny_module

CPU = torch.device("cpu")


def test_every_check_passes_and_everything_is_supported(model: LanguageModel) -> None:
    has_post_norms = "Gemma2" in type(model.module).__name__
    refused = {"attribution"} if has_post_norms else set[str]()
    assert {check.name for check in model.proof.checks if not check.passed} == refused
    assert {name for name, supported in model.proof.supports().items() if not supported} == refused
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
        "edit in scope",
        "edit out of scope",
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
    with pytest.raises(ModelNotSupported, match="slot is not one place"):
        prove(module, _replaced(find_blocks(module), layers=layers), torch.float32, CPU)


def test_a_model_without_blocks_of_its_own_is_refused() -> None:
    config = BertConfig(
        vocab_size=600, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48
    )
    with pytest.raises(ModelNotSupported, match="an encoder like BERT has; only decoder chat models"):
        LanguageModel(BertLMHeadModel(config), byte_level(CHATML), name="an encoder")


def test_a_model_that_sees_later_tokens_is_refused() -> None:
    module = tiny_module("Llama").eval()

    class LooksAhead(type(module.model.layers[0])):
        def forward(self, hidden_states: Tensor, *arguments: Any, **keywords: Any) -> Any:
            ahead = torch.roll(hidden_states, -1, dims=1)
            return super().forward(hidden_states, *arguments, **keywords) + ahead

    module.model.layers[1].__class__ = LooksAhead
    assert "causal" in _failed(module)


def test_a_stream_that_is_changed_between_blocks_is_found_out() -> None:
    """The decoder hands a block something else than the block before it returned."""
    module = tiny_module("Llama").eval()

    class Scaling(type(module.model.layers[0])):
        """Scales what it is handed before anybody can see it."""

        def __call__(self, hidden_states: Tensor, *arguments: Any, **keywords: Any) -> Any:
            return super().__call__(hidden_states * 1.5, *arguments, **keywords)

    module.model.layers[2].__class__ = Scaling
    assert "chain" in _failed(module)


def test_slots_that_are_not_the_models_own_hidden_states_are_found_out() -> None:
    """A model that reports other hidden states than those its blocks are handed."""
    module = tiny_module("Llama").eval()
    own = module.forward

    def reports(*arguments: Any, **keywords: Any) -> Any:
        output = own(*arguments, **keywords)
        output.hidden_states = tuple(state * 1.01 for state in output.hidden_states)
        return output

    module.forward = reports
    assert "slots" in _failed(module)


def test_states_that_are_not_the_running_stream_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    module = tiny_module("Llama").eval()
    take = Reader._take
    monkeypatch.setattr(Reader, "_take", lambda self, slot, stream: take(self, slot, stream.roll(1, dims=1)))
    assert "capture" in _failed(module)


def test_a_shared_beginning_that_goes_wrong_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    select = DynamicCache.batch_select_indices

    def forgetful(cache: DynamicCache, index: Tensor) -> None:
        select(cache, index)
        cache.layers[0].keys = cache.layers[0].keys * 0

    monkeypatch.setattr(DynamicCache, "batch_select_indices", forgetful)
    model = tiny("Llama")
    assert "behind padding in the cache: error" in model.proof.refusals["prefix sharing"]


def test_edits_that_reach_other_tokens_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    applied = AddDirection.applied

    def everywhere(found: Scoped) -> Scoped:
        return Scoped(tuple(range(found.width) for _ in found.columns), found.width, found.device)

    monkeypatch.setattr(
        AddDirection,
        "applied",
        lambda self, stream, scoped, vector: applied(self, stream, everywhere(scoped), vector),
    )
    model = tiny("Llama")
    assert "no other token" in model.proof.refusals["edits"]
    assert not model.proof.supports()["edits"]
    with pytest.raises(ModelNotSupported, match="cannot be edited"):
        model.edited([AddDirection(0, torch.ones(model.hidden_size))])


def test_edits_that_the_model_does_not_run_on_with_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AddDirection, "applied", lambda self, stream, scoped, vector: stream)
    assert "is read there" in tiny("Llama").proof.refusals["edits"]


def test_a_projection_that_is_not_handed_the_heads_is_refused() -> None:
    """Something stands between the attention function and the projection: a slice may be no head there."""

    class Swapped(nn.Module):
        def forward(self, given: Tensor) -> Tensor:
            return given.unflatten(-1, (4, 8))[..., [1, 0, 2, 3], :].flatten(-2)

    module = tiny_module("Llama").eval()
    for layer in module.model.layers:
        layer.self_attn.o_proj = nn.Sequential(Swapped(), layer.self_attn.o_proj)
    proof = prove(module, find_blocks(module), torch.float32, CPU)
    assert proof.heads is None
    assert not proof.supports()["heads"]


@pytest.mark.parametrize(
    ("leaks_into", "check"), [(slice(0, 8), "slice h"), (slice(8, 24), "no other slice")]
)
def test_heads_that_depend_on_each_other_are_refused(leaks_into: slice, check: str) -> None:
    """Where head 0 is zero, something else is written into its slice, or into those of other heads."""

    def leak(_: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        given = arguments[0].clone()
        if not bool(given[..., :8].any()):
            given[..., leaks_into] = 1.0
        return (given,)

    module = tiny_module("Llama").eval()
    for layer in module.model.layers:
        layer.self_attn.o_proj.register_forward_pre_hook(leak)
    proof = prove(module, find_blocks(module), torch.float32, CPU)
    assert proof.heads is None
    assert check in proof.refusals["heads"]


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
