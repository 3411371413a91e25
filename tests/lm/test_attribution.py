"""What a head is said to add to the residual stream is what the attention of its block hands on."""

import copy

import pytest
import torch
from torch import Tensor, nn

from latentguard.errors import ModelNotSupported
from latentguard.lm import LanguageModel, Rendered, ScaleHeads
from latentguard.lm.proof import attribution
from latentguard.lm.proof.attribution import _Call
from latentguard.lm.proof.checks import TOLERANCE
from tests.lm.architectures import ARCHITECTURES
from tests.lm.where import DTYPE

PROMPTS = ["How do I bake bread?", "Tell me about the river that runs behind the old mill."]
KNOWN = {
    **dict.fromkeys(
        ["Llama", "Mistral, sliding window", "Qwen2", "Qwen3", "Phi-3", "GPT-OSS", "Granite", "Qwen3.5"],
        "self_attn",
    ),
    **dict.fromkeys(
        ["StableLM", "Cohere2", "Mixtral", "Qwen3-MoE", "DeepSeek-V3", "Llama-4, chunked attention"],
        "self_attn",
    ),
    **dict.fromkeys(["Qwen3-Next", "Granite hybrid"], "self_attn"),
    "GPT-NeoX": "attention",
    "GPT-2": "attn",
    "Falcon": "self_attention",
}
"""Architectures whose blocks add what this module returns, times the config's multiplier."""


def added_by_attention(model: LanguageModel, block: int, prompt: Rendered) -> Tensor:
    """[token, hidden]: what the attention module of one block returns, times the multiplier, without bias."""
    seen: list[Tensor] = []

    def keep(_module: nn.Module, _arguments: object, output: tuple[Tensor, ...]) -> None:
        seen.append(output[0].clone())

    name = KNOWN[model.name.removeprefix("known ")]
    handle = getattr(model.blocks.layers[block], name).register_forward_hook(keep)
    model.next_token_logits([prompt])
    handle.remove()
    bias = model.proof.head_sites(model.name)[block].projection.bias
    written = (seen[0][0] if bias is None else seen[0][0] - bias).cpu().float()
    return written * getattr(model.blocks.config, "residual_multiplier", 1.0)


def assert_same_share(found: Tensor, written: Tensor, direction: Tensor) -> None:
    """A share can be near zero where what was written is not: rounding goes by the length of the latter."""
    tolerance = 1e-5 if DTYPE is torch.float32 else TOLERANCE[DTYPE]
    apart = float(found.cpu() - written @ direction)
    assert abs(apart) <= tolerance * float(written.norm() * direction.norm())


def known(name: str) -> LanguageModel:
    model = ARCHITECTURES[name].build()
    model.name = f"known {name}"
    return model


def direction_of(model: LanguageModel) -> Tensor:
    return torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("name", KNOWN)
def test_the_heads_of_a_block_add_up_to_what_its_attention_writes(name: str) -> None:
    model = known(name)
    direction = direction_of(model)
    found = model.attribute_heads(PROMPTS, direction, positions=("t_inst", -1))
    for row, prompt in enumerate(map(model.render, PROMPTS)):
        for column, block in enumerate(found.blocks):
            written = added_by_attention(model, block, prompt)
            for at, index in enumerate((prompt.t_inst, prompt.t_post_inst)):
                assert_same_share(found.tensor[row, at, column].sum(), written[index], direction)


@pytest.mark.parametrize("name", ["Qwen2", "Granite"])
def test_one_head_adds_what_attention_writes_when_the_others_are_removed(name: str) -> None:
    model = known(name)
    direction, block, prompt = direction_of(model), 1, model.render(PROMPTS[1])
    found = model.attribute_heads([prompt], direction, blocks=[block]).at("t_inst")[0, 0]
    for head in range(4):
        others = [(block, other) for other in range(4) if other != head]
        with model.edited([ScaleHeads(others, 0.0)]):
            written = added_by_attention(model, block, prompt)[prompt.t_inst]
        assert_same_share(found[head], written, direction)
    assert len(set(found.tolist())) == 4


def test_where_something_stands_between_attention_and_the_stream_attribution_is_refused_by_name() -> None:
    model = ARCHITECTURES["Gemma-2"].build()
    with pytest.raises(ModelNotSupported, match="a norm after attention"):
        model.attribute_heads(PROMPTS, direction_of(model))
    assert model.capture_heads(PROMPTS).tensor.isfinite().all()


def test_a_norm_that_is_hidden_in_the_attention_module_is_found(qwen: LanguageModel) -> None:
    """Not a child of the block: its effect on a known vector is what gives it away."""

    module = qwen.module
    attention = module.model.layers[1].self_attn
    plain = attention.forward

    def forward(*arguments: object, **keywords: object) -> tuple[Tensor, ...]:
        output, *rest = plain(*arguments, **keywords)
        return (output / output.norm(dim=-1, keepdim=True), *rest)

    attention.forward = forward
    try:
        broken = LanguageModel(module, qwen.tokenizer, name="broken")
    finally:
        attention.forward = plain
    assert "times one factor" in broken.proof.refusals["attribution"]
    assert "heads" not in broken.proof.refusals


def test_a_small_scale_behind_attention_is_found_in_half_precision_too(qwen: LanguageModel) -> None:
    """A learned factor a channel, of four per cent: less than what rounding may explain between batches."""
    module = copy.deepcopy(qwen.module).to(torch.bfloat16)
    assert LanguageModel(module, qwen.tokenizer, name="sound").proof.factors == (1.0,) * 4
    attention = module.model.layers[1].self_attn
    plain = attention.forward
    signs = torch.randn(qwen.hidden_size, generator=torch.Generator().manual_seed(0)).sign()
    scale = (1 + 0.04 * signs).to(qwen.device)

    def forward(*arguments: object, **keywords: object) -> tuple[Tensor, ...]:
        output, *rest = plain(*arguments, **keywords)
        return ((output * scale).to(output.dtype), *rest)

    attention.forward = forward
    broken = LanguageModel(module, qwen.tokenizer, name="broken")
    assert "times one factor" in broken.proof.refusals["attribution"]


def test_blocks_may_share_a_part(qwen: LanguageModel) -> None:
    module = copy.deepcopy(qwen.module)
    module.model.layers[2].mlp = module.model.layers[1].mlp
    assert LanguageModel(module, qwen.tokenizer, name="shared").proof.refusals == {}


def test_weights_that_are_kept_on_another_device_are_brought_to_what_they_are_compared_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a GPU: the meta device is one, too."""
    projection = nn.Linear(8, 8)
    call = _Call((), {})
    call.given = torch.empty(1, 3, 8, device="meta")
    call.returned[projection] = [torch.empty(1, 3, 8, device="meta")]
    compared: list[str] = []

    def noted(one: Tensor, other: Tensor) -> float:
        compared.extend((one.device.type, other.device.type))
        return 0.0

    monkeypatch.setattr(attribution, "gap", noted)
    assert attribution._written(projection, projection.weight.detach(), call) == 0
    assert compared == ["meta", "meta"]


def test_a_direction_that_is_none_of_this_model_is_refused(qwen: LanguageModel) -> None:
    with pytest.raises(ValueError, match=r"direction has shape \(3,\)"):
        qwen.attribute_heads(PROMPTS, torch.ones(3))
    with pytest.raises(ValueError, match="NaN"):
        qwen.attribute_heads(PROMPTS, torch.full((qwen.hidden_size,), torch.nan))


def test_an_untrained_copy_says_nothing_of_its_heads(qwen: LanguageModel) -> None:
    with pytest.raises(ModelNotSupported, match="untrained copy"):
        qwen.reinitialised(0).attribute_heads(PROMPTS, direction_of(qwen))
