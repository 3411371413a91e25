"""Watching the attention of a model by heads while it runs: what it computed, and the same with heads zeroed.

Two ways: through the attention function that transformers lets be replaced, and, for models that compute
their attention themselves, through every product of matrices in a block.
"""

import logging
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from transformers import AttentionInterface
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, AttentionMaskInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

_PROBE = "latentguard_probe"

ByHead = Float[Tensor, "row token head width"]


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One result of attention: the `number`th of its run, in block `block`."""

    number: int
    block: int
    result: ByHead

    @property
    def heads(self) -> int:
        return self.result.shape[2]

    @property
    def width(self) -> int:
        return self.result.shape[3]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One run: its attention calls in order, and what every projection was handed last, by id."""

    calls: list[Call]
    inputs: dict[int, Tensor]


@dataclass(slots=True, eq=False)
class Watch:
    """What is noted of the run at hand, and which heads of which calls are zeroed in it."""

    projections: list[tuple[nn.Module, ...]]
    """By block, the leaves that multiply by a matrix."""
    handed_by_heads: bool
    """Only calls are kept whose heads, side by side, a projection of the same block is handed."""
    calls: list[Call] = field(default_factory=list)
    inputs: dict[int, Tensor] = field(default_factory=dict)
    zero: Mapping[int, int] = field(default_factory=dict)
    running: bool = False

    def run(self, run: Callable[[], Any], *, zero: Mapping[int, int] | None = None) -> Seen:
        """Run once, with head `zero[n]` of the nth call zeroed."""
        self.calls, self.inputs, self.zero, self.running = [], {}, zero or {}, True
        try:
            with torch.no_grad():
                run()
        finally:
            self.running = False
        calls = [call for call in self.calls if not self.handed_by_heads or self._is_handed_on(call)]
        return Seen(calls, self.inputs)

    def take(self, block: int, result: ByHead) -> ByHead:
        """Note one result of attention; the result to go on with."""
        number = len(self.calls)
        self.calls.append(Call(number, block, result.detach()))
        if number not in self.zero:
            return result
        keep = torch.ones(result.shape[2], dtype=result.dtype, device=result.device)
        keep[self.zero[number]] = 0
        return result * keep[:, None]

    def _is_handed_on(self, call: Call) -> bool:
        flat = call.result.flatten(2)
        given = (self.inputs.get(id(one)) for one in self.projections[call.block])
        return any(one is not None and one.shape == flat.shape and torch.equal(one, flat) for one in given)


@contextmanager
def watching_functions(decoder: Any, layers: nn.ModuleList) -> Generator[Watch]:
    """A watch on the attention function of transformers' interface, which the decoder's attention goes
    through inside this block, and no longer after it."""
    own = decoder.config._attn_implementation or "eager"
    block_of = {id(part): number for number, layer in enumerate(layers) for part in layer.modules()}

    with _watching(layers, handed_by_heads=False) as watch:

        def attend(attention: nn.Module, *arguments: Any, **keywords: Any) -> tuple[ByHead, Any]:
            if own in ALL_ATTENTION_FUNCTIONS:
                function = ALL_ATTENTION_FUNCTIONS[own]
            else:
                function = sys.modules[type(attention).__module__].eager_attention_forward
            result, weights = function(attention, *arguments, **keywords)
            block = block_of.get(id(attention))
            return (result if block is None else watch.take(block, result)), weights

        AttentionInterface.register(_PROBE, _attention)
        AttentionMaskInterface.register(_PROBE, ALL_MASK_ATTENTION_FUNCTIONS[own])
        token = _ATTEND.set(attend)
        try:
            _set_attention(decoder, _PROBE)
            yield watch
        finally:
            _ATTEND.reset(token)
            _set_attention(decoder, own)


_ATTEND: "ContextVar[Callable[..., tuple[ByHead, Any]] | None]" = ContextVar(
    "latentguard_attend", default=None
)


def _attention(attention: nn.Module, *arguments: Any, **keywords: Any) -> tuple[ByHead, Any]:
    """What is registered with transformers: the function of the watch at hand."""
    attend = _ATTEND.get()
    if attend is None:
        raise RuntimeError("the attention probe ran outside a proof")
    return attend(attention, *arguments, **keywords)


def _set_attention(decoder: Any, name: str) -> None:
    """Has no effect on a model that computes its attention itself, which transformers would say each time."""
    if not hasattr(decoder, "set_attn_implementation"):
        return
    says = logging.getLogger("transformers.modeling_utils")
    before, says.disabled = says.disabled, True
    try:
        decoder.set_attn_implementation(name)
    finally:
        says.disabled = before


@contextmanager
def watching_products(_decoder: Any, layers: nn.ModuleList) -> Generator[Watch]:
    """A watch on the products of attention weights and values, for models that compute them themselves."""
    handles = []
    with _watching(layers, handed_by_heads=True) as watch:
        products = _Products(watch)
        try:
            for number, layer in enumerate(layers):
                handles.append(layer.register_forward_pre_hook(products.entering(number)))
                handles.append(layer.register_forward_hook(products.leaving))
            with products:
                yield watch
        finally:
            for handle in handles:
                handle.remove()


class _Products(TorchFunctionMode):
    """Every product of matrices inside a block whose result has the shape of heads."""

    FUNCTIONS = frozenset(
        {
            torch.matmul,
            Tensor.matmul,
            Tensor.__matmul__,
            torch.bmm,
            Tensor.bmm,
            torch.baddbmm,
            Tensor.baddbmm,
            nn.functional.scaled_dot_product_attention,
        }
    )

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.watch = watch
        self.block: int | None = None

    def entering(self, number: int) -> Callable[..., None]:
        def hook(*_: object) -> None:
            self.block = number

        return hook

    def leaving(self, *_: object) -> None:
        self.block = None

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if self.block is None or not self.watch.running or func not in self.FUNCTIONS:
            return result
        ranks = {one.ndim for one in args[:3] if isinstance(one, Tensor)}
        if ranks == {4} and result.shape[0] == 1:  # row head token width
            return self.watch.take(self.block, result.transpose(1, 2)).transpose(1, 2)
        if ranks == {3}:  # head token width, of one row
            return self.watch.take(self.block, result.transpose(0, 1)[None])[0].transpose(0, 1)
        return result


@contextmanager
def _watching(layers: nn.ModuleList, *, handed_by_heads: bool) -> Generator[Watch]:
    """A watch that notes what every projection of the blocks is handed."""
    projections = [tuple(_projections(layer)) for layer in layers]
    watch = Watch(projections, handed_by_heads)

    def keep(projection: nn.Module, arguments: tuple[Any, ...]) -> None:
        if watch.running and arguments and isinstance(arguments[0], Tensor):
            watch.inputs[id(projection)] = arguments[0].detach()

    handles = [one.register_forward_pre_hook(keep) for block in projections for one in block]
    try:
        yield watch
    finally:
        for handle in handles:
            handle.remove()


def _projections(layer: nn.Module) -> Iterator[nn.Module]:
    for part in layer.modules():
        weight = getattr(part, "weight", None)
        if not list(part.children()) and isinstance(weight, Tensor) and weight.ndim == 2:
            yield part
