"""dtype="auto" on a CPU: bfloat16 where the CPU has it and the model's own states agree, else float32.

Everything this package reads of a state is a difference: to another prompt's state, or to a mean of them.
So agreement is measured on differences: a few short prompts run in bfloat16 and, block by block, in
float32, and at every slot the directions between prompts must agree. The choice depends on the model and
on what the CPU can do, not on a timing, so that two runs choose alike.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latentguard.lm.blocks import Blocks, entering, find_blocks, stream_of, with_entering

_PROMPTS = (
    "Please tell me how the weather will be tomorrow",
    "Write a short poem about an old bridge.",
    "Which is larger, the sun or the moon?",
    "def add(a, b): return a + b",
)
_LEAST_COSINE = 0.98
_SMALL = 100_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The loaded weights, and one line for the user saying how their dtype was chosen ("" where given)."""

    module: Any
    note: str


def choose_dtype(weights: Callable[[torch.dtype], Any], tokenizer: Any) -> Choice:
    """Load in bfloat16 and keep it where it agrees; small models and plain CPUs take float32."""
    if not native_bfloat16():
        return Choice(weights(torch.float32), "dtype float32: this CPU has no bfloat16 instructions")
    module = weights(torch.bfloat16)
    if sum(parameter.numel() for parameter in module.parameters()) < _SMALL:
        return Choice(weights(torch.float32), "")
    cosine = agreement(module, tokenizer)
    if cosine >= _LEAST_COSINE:
        note = f"dtype bfloat16: differences between states agree with float32 (least cosine {cosine:.3f})"
        return Choice(module, note)
    del module
    return Choice(
        weights(torch.float32),
        f"dtype float32: bfloat16 states disagree (least cosine {cosine:.3f} < {_LEAST_COSINE})",
    )


def native_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware."""
    capability = torch.backends.cpu.get_cpu_capability()
    return capability != "DEFAULT" and bool(
        torch.ops.mkldnn._is_mkldnn_bf16_supported() if torch.backends.mkldnn.is_available() else False
    )


def agreement(module: Any, tokenizer: Any) -> float:
    """Least cosine, over slots 1..L and pairs of prompts, between a difference of two last-token states in
    the model's dtype and the same difference in float32. Needs memory for one block in float32."""
    blocks = find_blocks(module)
    narrow, wide = [], []
    for prompt in _PROMPTS:
        ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
        one, other = _both(blocks, ids.to(next(module.parameters()).device))
        narrow.append(one)
        wide.append(other)
    pairs = [(i, j) for i in range(len(_PROMPTS)) for j in range(i)]
    return min(
        float(torch.cosine_similarity(narrow[i] - narrow[j], wide[i] - wide[j], dim=-1).min())
        for i, j in pairs
    )


@torch.no_grad()
def _both(blocks: Blocks, ids: Tensor) -> tuple[Float[Tensor, "slot hidden"], Float[Tensor, "slot hidden"]]:
    """Last-token states leaving every block, in the model's dtype and in float32."""
    narrow: list[Tensor] = []
    wide: list[Tensor] = []
    running: list[Tensor] = []

    def beside(layer: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any], output: Any) -> None:
        """Run the same block once more in float32 on the float32 stream, and put its weights back."""
        narrow.append(stream_of(output)[0, -1].float())
        stream = (running[-1] if running else entering(arguments, keywords)).float()
        again_with, again_by = with_entering(_widened(arguments), _widened(keywords), stream)
        kept = {name: parameter.data for name, parameter in layer.named_parameters()}
        layer.float()
        try:
            running.append(stream_of(layer.forward(*again_with, **again_by)))
        finally:
            for name, parameter in layer.named_parameters():
                parameter.data = kept[name]
        wide.append(running[-1][0, -1])

    handles = [layer.register_forward_hook(beside, with_kwargs=True) for layer in blocks.layers]
    try:
        blocks.decoder(input_ids=ids, use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return torch.stack(narrow), torch.stack(wide)


def _widened(value: Any) -> Any:
    """Floating tensors in `value` in float32, whatever holds them."""
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, tuple | list):
        return type(value)(_widened(one) for one in value)
    if isinstance(value, dict):
        return {key: _widened(one) for key, one in value.items()}
    return value
