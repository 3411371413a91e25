"""What a head is said to add to the residual stream is what the attention of its block hands on."""

import pytest
import torch
from torch import Tensor, nn

from latentguard.errors import ModelNotSupported
from latentguard.lm import LanguageModel, Rendered, ScaleHeads
from tests.lm.architectures import ARCHITECTURES

PROMPTS = ["How do I bake bread?", "Tell me about the river that runs behind the old mill."]
KNOWN = ["Llama", "Mistral, sliding window", "Qwen2", "Qwen3", "Phi-3", "GPT-OSS", "Granite", "Qwen3.5"]
"""Architectures whose blocks call `self_attn` and add what it returns, times the config's multiplier."""


def added_by_attention(model: LanguageModel, block: int, prompt: Rendered) -> Tensor:
    """[token, hidden]: what the attention module of one block returns, times the multiplier, without bias."""
    seen: list[Tensor] = []

    def keep(_module: nn.Module, _arguments: object, output: tuple[Tensor, ...]) -> None:
        seen.append(output[0].clone())

    handle = model.blocks.layers[block].self_attn.register_forward_hook(keep)
    model.next_token_logits([prompt])
    handle.remove()
    bias = model.proof.head_sites(model.name)[block].projection.bias
    written = seen[0][0] if bias is None else seen[0][0] - bias
    return written * getattr(model.blocks.config, "residual_multiplier", 1.0)


def direction_of(model: LanguageModel) -> Tensor:
    return torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("name", KNOWN)
def test_the_heads_of_a_block_add_up_to_what_its_attention_writes(name: str) -> None:
    model = ARCHITECTURES[name].build()
    direction = direction_of(model)
    found = model.attribute_heads(PROMPTS, direction, positions=("t_inst", -1))
    for row, prompt in enumerate(map(model.render, PROMPTS)):
        for column, block in enumerate(found.blocks):
            written = added_by_attention(model, block, prompt)
            for at, index in enumerate((prompt.t_inst, prompt.t_post_inst)):
                torch.testing.assert_close(
                    found.tensor[row, at, column].sum(), written[index] @ direction, rtol=1e-4, atol=1e-4
                )


@pytest.mark.parametrize("name", ["Qwen2", "Granite"])
def test_one_head_adds_what_attention_writes_when_the_others_are_removed(name: str) -> None:
    model = ARCHITECTURES[name].build()
    direction, block, prompt = direction_of(model), 1, model.render(PROMPTS[1])
    found = model.attribute_heads([prompt], direction, blocks=[block]).at("t_inst")[0, 0]
    for head in range(4):
        others = [(block, other) for other in range(4) if other != head]
        with model.edited([ScaleHeads(others, 0.0)]):
            written = added_by_attention(model, block, prompt)[prompt.t_inst]
        torch.testing.assert_close(found[head], written @ direction, rtol=1e-4, atol=1e-4)
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


def test_a_direction_of_another_width_is_refused(qwen: LanguageModel) -> None:
    with pytest.raises(ValueError, match=r"direction has shape \(3,\)"):
        qwen.attribute_heads(PROMPTS, torch.ones(3))


def test_an_untrained_copy_says_nothing_of_its_heads(qwen: LanguageModel) -> None:
    with pytest.raises(ModelNotSupported, match="untrained copy"):
        qwen.reinitialised(0).attribute_heads(PROMPTS, direction_of(qwen))
