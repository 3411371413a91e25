"""One adapter for every decoder: where its blocks, attention output projections, norm and unembedding are.

Found by structure (the module list as long as the config says, the norm that runs after it), never by a
table of names, and believed only after `proof/` has shown each part to be what it is taken for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latentguard.errors import ModelNotSupported
from latentguard.lm.spread import input_device


@dataclass(frozen=True, slots=True)
class LogitMap:
    """What a model does to its raw logits: `soft_cap * tanh(x * factor / soft_cap)`; identity by default."""

    factor: float = 1.0
    soft_cap: float | None = None

    def __call__(self, logits: Float[Tensor, "*any vocab"]) -> Float[Tensor, "*any vocab"]:
        scaled = logits if self.factor == 1.0 else logits * self.factor
        return scaled if self.soft_cap is None else torch.tanh(scaled / self.soft_cap) * self.soft_cap

    @classmethod
    def of(cls, config: Any) -> "LogitMap":
        """From the config: Cohere multiplies, Granite divides, Gemma-2 caps."""
        factor = float(getattr(config, "logit_scale", None) or 1.0)
        factor /= float(getattr(config, "logits_scaling", None) or 1.0)
        cap = getattr(config, "final_logit_softcapping", None)
        return cls(factor, float(cap) if cap else None)


@dataclass(frozen=True, slots=True)
class Blocks:
    """The parts of one decoder. Slot i enters `layers[i]`; slot L leaves `layers[-1]`, before `norm`."""

    decoder: nn.Module
    layers: nn.ModuleList
    norm: nn.Module
    unembedding: nn.Module
    logit_map: LogitMap
    config: Any

    def __len__(self) -> int:
        return len(self.layers)

    def logits(self, state: Float[Tensor, "*any hidden"]) -> Float[Tensor, "*any vocab"]:
        """Next-token logits of a state at slot L, float32, by the model's own norm, head and logit map."""
        return self.logits_of_normed(self.norm(state))

    def logits_of_normed(self, normed: Float[Tensor, "*any hidden"]) -> Float[Tensor, "*any vocab"]:
        """The same from the decoder's own output, which has passed the final norm already."""
        return self.logit_map(self.unembedding(normed).float())

    @property
    def attention_reach(self) -> int | None:
        """Tokens of the shortest window or chunk that any block attends to; None: all see everything."""
        config, kinds = self.config, getattr(self.config, "layer_types", None)
        uses_window = getattr(config, "use_sliding_window", True) is not False
        limits = {
            "sliding_attention": getattr(config, "sliding_window", None) if uses_window else None,
            "chunked_attention": getattr(config, "attention_chunk_size", None),
        }
        found = [int(limit) for kind, limit in limits.items() if limit and (kinds is None or kind in kinds)]
        return min(found, default=None)


def find_blocks(module: nn.Module) -> Blocks:
    """The parts of a causal language model, found by structure. Raises `ModelNotSupported` by name."""
    config: Any = module.config
    if getattr(config, "is_encoder_decoder", False):
        raise ModelNotSupported(_reason(module, "is an encoder-decoder; only decoder chat models are read"))
    text = config.get_text_config(decoder=True)
    layers = block_list(module)
    decoder = next(parent for parent in module.modules() if layers in parent.children())
    unembedding = module.get_output_embeddings()  # type: ignore[operator]
    if unembedding is None:
        raise ModelNotSupported(_reason(module, "has no output embeddings"))
    norm = _final_norm(module, decoder, layers, text.hidden_size)
    return Blocks(decoder, layers, norm, unembedding, LogitMap.of(text), text)


def block_list(module: Any) -> nn.ModuleList:
    """The one list of as many equal-shaped blocks as the config says; where the list was cut (`partial.py`),
    the one that was. Raises `ModelNotSupported`."""
    if (name := getattr(module, "blocks_lie_in", None)) is not None:
        return module.get_submodule(name)
    count = module.config.get_text_config(decoder=True).num_hidden_layers
    found = [
        child
        for parent in module.modules()
        for child in parent.children()
        if isinstance(child, nn.ModuleList) and len(child) == count and _runs_as_a_stack(child)
    ]
    # A list inside another block list (the experts of a mixture) is no block list.
    inner = {id(m) for layers in found for layer in layers for m in layer.modules()}
    outer = [layers for layers in found if id(layers) not in inner]
    if len(outer) != 1:
        raise ModelNotSupported(
            _reason(module, f"has {len(outer)} lists of {count} blocks where exactly one was expected")
        )
    return outer[0]


def _runs_as_a_stack(layers: nn.ModuleList) -> bool:
    """Blocks own a norm or an attention; a list of plain projections is something else."""
    return all(sum(1 for _ in layer.children()) >= 2 for layer in layers)


def _final_norm(module: nn.Module, decoder: nn.Module, layers: nn.ModuleList, hidden: int) -> nn.Module:
    """The direct child of the decoder that is given the last block's output, watched in one tiny run.

    Raises `ModelNotSupported` where that output is no single residual stream.
    """
    handed_on: list[Tensor] = []
    takers: list[nn.Module] = []

    def watch(child: nn.Module) -> Callable[..., None]:
        def hook(_: nn.Module, arguments: tuple[Any, ...]) -> None:
            if handed_on and arguments and arguments[0] is handed_on[-1]:
                takers.append(child)

        return hook

    handles = [layers[-1].register_forward_hook(lambda _m, _a, out: handed_on.append(stream_of(out)))]
    handles += [
        child.register_forward_pre_hook(watch(child)) for child in decoder.children() if child is not layers
    ]
    try:
        device = input_device(module)
        with torch.no_grad():
            decoder(input_ids=torch.zeros((1, 2), dtype=torch.long, device=device), use_cache=False)
    except TypeError as error:
        raise ModelNotSupported(
            _reason(
                module,
                f"has blocks in a part that takes no tokens, as an encoder like BERT has; only decoder chat "
                f"models are read ({error})",
            )
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    shape, stream = tuple(handed_on[-1].shape), (1, 2, hidden)
    if shape != stream:
        raise ModelNotSupported(
            _reason(
                module,
                f"hands a tensor of shape {shape} from block to block for two tokens, where one residual "
                f"stream is {stream}: it has several streams, or one of another kind",
            )
        )
    if len(takers) != 1:
        raise ModelNotSupported(
            _reason(module, f"hands its last block's output to {len(takers)} modules, not to one final norm")
        )
    return takers[0]


def stream_of(output: Any) -> Tensor:
    """The residual stream in a block's output: a bare tensor, or the first of a tuple."""
    return output[0] if isinstance(output, tuple) else output


def with_stream(output: Any, stream: Tensor) -> Any:
    """`output` with its residual stream replaced, in the shape it had."""
    return (stream, *output[1:]) if isinstance(output, tuple) else stream


def entering(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Tensor:
    """The residual stream that a block is called with."""
    return arguments[0] if arguments else keywords["hidden_states"]


def with_entering(
    arguments: tuple[Any, ...], keywords: dict[str, Any], stream: Tensor
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A block's call with its entering stream replaced."""
    if arguments:
        return (stream, *arguments[1:]), keywords
    return arguments, {**keywords, "hidden_states": stream}


def _reason(module: nn.Module, what: str) -> str:
    return (
        f"{type(module).__name__} {what}.\n"
        "  Its hidden states cannot be proved to be what they are called, so nothing is read from it."
    )
