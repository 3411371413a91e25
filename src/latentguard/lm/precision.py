"""dtype="auto" on a CPU: bfloat16 where the CPU has it and the model's own states agree, else float32.

What is read of states in the end is whether one lies nearer to this mean or to that one: a difference of
two cosines, averaged over slots. So that is compared: a few short chats run in bfloat16 and, block by block,
in float32, and each chat's score between every two others must agree, at t_inst and at t_post_inst. (State
by state, the first slots at t_post_inst do not: there all chats are nearly one, and rounding is a tenth of
what is left.) The choice depends on the model and on what the CPU can do, not on a timing, so that two runs
choose alike.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latentguard.lm.blocks import Blocks, entering, find_blocks, stream_of, with_entering
from latentguard.lm.chat import ChatTemplate, Rendered

_PROMPTS = (
    "Please tell me how the weather will be tomorrow",
    "Write a short poem about an old bridge.",
    "Which is larger, the sun or the moon?",
    "def add(a, b): return a + b",
)
_LEAST_CORRELATION = 0.99
"""Of scores in bfloat16 and in float32. Measured: 0.99994 and more on SmolLM2-135M, Qwen2.5-Coder-0.5B and
1.5B, where the largest change of a score is 0.03 of the scores' standard deviation."""
_SMALL = 100_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The loaded weights, and one line for the user saying how their dtype was chosen ("" where it was asked
    for, or is the checkpoint's own)."""

    module: Any
    note: str


def choose_dtype(weights: Callable[[torch.dtype], Any], tokenizer: Any) -> Choice:
    """Load in bfloat16 and keep it where it agrees; small models and plain CPUs take float32."""
    if not native_bfloat16():
        return Choice(weights(torch.float32), "dtype float32: this CPU has no bfloat16 instructions")
    module = weights(torch.bfloat16)
    if sum(parameter.numel() for parameter in module.parameters()) < _SMALL:
        return Choice(weights(torch.float32), "dtype float32: the model is small, bfloat16 gains it nothing")
    found = agreement(module, tokenizer)
    if found >= _LEAST_CORRELATION:
        note = f"dtype bfloat16: beliefs agree with those in float32 (correlation {found:.4f})"
        return Choice(module, note)
    del module
    return Choice(
        weights(torch.float32),
        f"dtype float32: beliefs in bfloat16 disagree (correlation {found:.4f} < {_LEAST_CORRELATION})",
    )


def native_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware."""
    capability = torch.backends.cpu.get_cpu_capability()
    return capability != "DEFAULT" and bool(
        torch.ops.mkldnn._is_mkldnn_bf16_supported() if torch.backends.mkldnn.is_available() else False
    )


def agreement(module: Any, tokenizer: Any) -> float:
    """Correlation of scores in the model's dtype with those in float32, in [-1, 1], the lower of t_inst and
    t_post_inst. A score is a chat's mean cosine difference to two other chats over slots 1..L.

    Needs memory for one block in float32. Raises `TemplateError` where the tokenizer has no chat template.
    """
    blocks, chat = find_blocks(module), ChatTemplate(tokenizer)
    device = next(module.parameters()).device
    both = [_both(blocks, chat.render(prompt), device) for prompt in _PROMPTS]
    narrow, wide = (_scores(torch.stack(states)) for states in zip(*both, strict=True))
    correlations = [
        torch.corrcoef(torch.stack([narrow[:, at], wide[:, at]]))[0, 1] for at in range(narrow.shape[1])
    ]
    return float(torch.stack(correlations).nan_to_num(nan=-1.0).min())


def _scores(states: Float[Tensor, "chat slot position hidden"]) -> Float[Tensor, "triple position"]:
    """Each chat between every two others: its cosine to one less that to the other, averaged over slots."""
    triples = [
        (own, one, other)
        for own in range(len(states))
        for one in range(len(states))
        for other in range(one)
        if own not in (one, other)
    ]
    own, one, other = (states[list(index)] for index in zip(*triples, strict=True))
    nearer = torch.cosine_similarity(own, one, dim=-1) - torch.cosine_similarity(own, other, dim=-1)
    return nearer.mean(dim=1)


@torch.no_grad()
def _both(
    blocks: Blocks, chat: Rendered, device: torch.device
) -> tuple[Float[Tensor, "slot position hidden"], Float[Tensor, "slot position hidden"]]:
    """States at t_inst and t_post_inst leaving every block, in the model's dtype and in float32."""
    at = [chat.t_inst, chat.t_post_inst]
    narrow: list[Tensor] = []
    wide: list[Tensor] = []
    running: list[Tensor] = []

    def beside(layer: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any], output: Any) -> None:
        """Run the same block once more in float32 on the float32 stream, and put its weights back."""
        narrow.append(stream_of(output)[0, at].float())
        stream = (running[-1] if running else entering(arguments, keywords)).float()
        again_with, again_by = with_entering(_widened(arguments), _widened(keywords), stream)
        kept = {name: parameter.data for name, parameter in layer.named_parameters()}
        layer.float()
        try:
            running.append(stream_of(layer.forward(*again_with, **again_by)))
        finally:
            for name, parameter in layer.named_parameters():
                parameter.data = kept[name]
        wide.append(running[-1][0, at])

    handles = [layer.register_forward_hook(beside, with_kwargs=True) for layer in blocks.layers]
    try:
        blocks.decoder(input_ids=torch.tensor([chat.ids], device=device), use_cache=False)
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
