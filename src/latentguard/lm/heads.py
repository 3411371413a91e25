"""Query heads: a head is a slice of the input of its block's attention output projection.

Found and proved through the attention function itself: while one tiny prompt runs, the model's own
attention function is wrapped. The projection is the child of the attention module that is handed the
function's result, and zeroing head h inside the function must zero slice h of that input and no other.
"""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, AttentionMaskInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

_PROBE = "latentguard_probe"


@dataclass(frozen=True, slots=True, eq=False)
class HeadSite:
    """Head h of a block is `[..., h * width : (h + 1) * width]` of `projection`'s input."""

    projection: nn.Module
    heads: int
    width: int


@dataclass(frozen=True, slots=True)
class HeadProof:
    """The sites by block (None where a block has no provable heads), and what was measured."""

    sites: tuple[HeadSite | None, ...]
    own_slice: float
    """Largest absolute value left in a zeroed head's slice; 0 when proved."""
    other_slices: float
    """Largest absolute change in any other slice; 0 when proved."""


@dataclass(slots=True, eq=False)
class _Probe:
    """What the wrapped attention function does and notes. `zero`: (call number, head)."""

    original: Callable[[nn.Module], Callable[..., Any]]
    zero: tuple[int, int] | None = None
    calls: "list[tuple[nn.Module, Tensor]] | None" = None


_RUNNING: "ContextVar[_Probe | None]" = ContextVar("latentguard_probe", default=None)


def prove_heads(
    module: Any, layers: nn.ModuleList, run: Callable[[], Any], blocks_to_check: tuple[int, ...]
) -> HeadProof | None:
    """Sites of every block and the zeroing proof in `blocks_to_check`; None where no attention function is
    called through transformers' interface. `run` runs the model once on a short prompt."""
    with _probing(module) as probe, _inputs_of(layers) as inputs:
        calls = _watch(probe, run, inputs)
        if not calls:
            return None
        sites = tuple(_site(layer, calls, inputs) for layer in layers)
        plain = [inputs[id(site.projection)] if site else None for site in sites]
        own = other = 0.0
        for block in blocks_to_check:
            site, before = sites[block], plain[block]
            if site is None or before is None:
                return None
            call = next(n for n, (attention, _) in enumerate(calls) if _inside(attention, layers[block]))
            for head in sorted({0, site.heads // 2, site.heads - 1}):
                probe.zero = (call, head)
                _watch(probe, run, inputs)
                probe.zero = None
                after = inputs[id(site.projection)].unflatten(-1, (site.heads, site.width))
                reference = before.unflatten(-1, (site.heads, site.width))
                own = max(own, float(after[..., head, :].abs().max()))
                rest = [h for h in range(site.heads) if h != head]
                if rest:
                    other = max(other, float((after - reference)[..., rest, :].abs().max()))
                if not bool(reference[..., head, :].any()):
                    return None
    return HeadProof(sites, own, other)


def _watch(
    probe: _Probe, run: Callable[[], Any], inputs: dict[int, Tensor]
) -> list[tuple[nn.Module, Tensor]]:
    """Run once; the attention calls in order."""
    inputs.clear()
    probe.calls = []
    with torch.no_grad():
        run()
    return probe.calls


def _site(
    layer: nn.Module, calls: list[tuple[nn.Module, Tensor]], inputs: dict[int, Tensor]
) -> HeadSite | None:
    """The child of this block's attention module that was handed the attention function's result."""
    for attention, result in calls:
        if not _inside(attention, layer):
            continue
        heads, width = result.shape[2], result.shape[3]
        flat = result.flatten(2)
        for child in attention.children():
            given = inputs.get(id(child))
            if given is not None and given.shape == flat.shape and torch.equal(given, flat):
                return HeadSite(child, heads, width)
    return None


def _inside(part: nn.Module, whole: nn.Module) -> bool:
    return any(part is one for one in whole.modules())


@contextmanager
def _inputs_of(layers: nn.ModuleList) -> Generator[dict[int, Tensor]]:
    """The input of every leaf of the blocks in the latest run, by module id."""
    inputs: dict[int, Tensor] = {}

    def keep(leaf: nn.Module, arguments: tuple[Any, ...]) -> None:
        if arguments and isinstance(arguments[0], Tensor):
            inputs[id(leaf)] = arguments[0].detach()

    leaves = [leaf for leaf in layers.modules() if not list(leaf.children())]
    handles = [leaf.register_forward_pre_hook(keep) for leaf in leaves]
    try:
        yield inputs
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _probing(module: Any) -> Generator[_Probe]:
    """The model's attention goes through `_attention` inside this block, and back to its own after it."""
    name = module.config._attn_implementation

    def original(attention: nn.Module) -> Callable[..., Any]:
        if name in ALL_ATTENTION_FUNCTIONS:
            return ALL_ATTENTION_FUNCTIONS[name]
        return sys.modules[type(attention).__module__].eager_attention_forward

    probe = _Probe(original)
    AttentionInterface.register(_PROBE, _attention)
    AttentionMaskInterface.register(_PROBE, ALL_MASK_ATTENTION_FUNCTIONS[name])
    token = _RUNNING.set(probe)
    try:
        module.set_attn_implementation(_PROBE)
        yield probe
    finally:
        _RUNNING.reset(token)
        module.set_attn_implementation(name)


def _attention(
    attention: nn.Module, *arguments: Any, **keywords: Any
) -> tuple[Float[Tensor, "row token head width"], Any]:
    """The model's own attention function, noted, with one head's result zeroed where asked."""
    probe = _RUNNING.get()
    if probe is None or probe.calls is None:
        raise RuntimeError("the attention probe ran outside a proof")
    result, weights = probe.original(attention)(attention, *arguments, **keywords)
    if probe.zero is not None and probe.zero[0] == len(probe.calls):
        keep = torch.ones(result.shape[2], dtype=result.dtype, device=result.device)
        keep[probe.zero[1]] = 0
        result = result * keep[:, None]
    probe.calls.append((attention, result.detach()))
    return result, weights
