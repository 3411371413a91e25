"""The proof of attribution: what a head is said to add to the residual stream is what its block adds.

Every block with heads is called once more with what it was called with: its attention's output projection
returns what it returned and a known vector, all other parts of the block what they returned before. What
leaves the block must then differ by that vector times one factor. A norm after attention, or a part that adds
to the stream by itself, lets something else through, or nothing: such a model is refused by name.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from latentguard.lm.attribution import output_matrix
from latentguard.lm.blocks import Blocks, stream_of
from latentguard.lm.heads import HeadSite
from latentguard.lm.proof.checks import CANNOT_BE_CALLED_AGAIN, Check, gap
from latentguard.lm.spread import kept

REACHES = "a vector that attention writes reaches the residual stream as it is, times one factor"
BY_HEADS = "what attention writes is the sum of its heads, each through its own columns of the projection"
NOTHING = (
    "what attention writes reaches the residual stream only through another part of its block (a norm after "
    "attention, or a part that adds to the stream by itself)"
)
_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 2e-2, torch.float16: 5e-3}
"""A block is called on the very state that it was called on before, so less is left to rounding than where
batches are compared. Measured in bfloat16: 6e-3 to 1e-2 on the architectures of the tests."""


@dataclass(slots=True, eq=False)
class _Call:
    """What one block was called with in a plain run, and what its parts and itself returned."""

    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    returned: dict[nn.Module, list[Any]] = field(default_factory=dict[nn.Module, list[Any]])
    given: Tensor | None = None
    leaving: Tensor | None = None


@torch.no_grad()
def prove_attribution(
    blocks: Blocks,
    run: Callable[[], Any],
    sites: Sequence[HeadSite | None],
    dtype: torch.dtype,
    tolerance: float,
    refusals: dict[str, str],
) -> tuple[tuple[float | None, ...], list[Check]]:
    """The factor of every block (None where it has no heads), and the checks. `run` runs a short prompt."""
    factors: list[float | None] = [None] * len(sites)
    reaches = by_heads = 0.0
    tolerance = _TOLERANCE.get(dtype, tolerance)
    usual = (1.0, float(getattr(blocks.config, "residual_multiplier", None) or 1.0))
    with ExitStack() as stack:
        called = {
            block: stack.enter_context(_keeping(blocks.layers[block], site.projection))
            for block, site in enumerate(sites)
            if site is not None
        }
        run()
    for block, calls in called.items():
        site, call = sites[block], calls[-1]
        assert site is not None
        matrix = output_matrix(site.projection, site.heads * site.width)
        if matrix is None:
            refusals["attribution"] = "the weights of its output projections are stored in another form"
            return (), []
        by_heads = max(by_heads, _written(site.projection, matrix, call))
        try:
            factors[block], error = _reached(blocks.layers[block], site.projection, call, usual, tolerance)
        except CANNOT_BE_CALLED_AGAIN as reason:
            refusals["attribution"] = f"its blocks cannot be called again ({type(reason).__name__})"
            return (), []
        reaches = max(reaches, error)
    checks = [
        Check("attribution", REACHES, reaches, tolerance),
        Check("attribution by heads", BY_HEADS, by_heads, tolerance),
    ]
    failed = [f"{one.says}: error {one.error:.2e}" for one in checks if not one.passed]
    if failed:
        refusals["attribution"] = NOTHING if reaches == float("inf") else "; ".join(failed)
    return () if failed else tuple(factors), checks


def _parts(layer: nn.Module, projection: nn.Module) -> list[nn.Module]:
    """The children of the block beside attention. Dropout does nothing here, and may follow attention."""
    return [
        child
        for child in layer.children()
        if not isinstance(child, nn.Dropout | nn.Identity)
        and all(part is not projection for part in child.modules())
    ]


def _copied(output: Any) -> Any:
    """A copy of its tensors: a block may add in place to what a part returned (Falcon does)."""
    if isinstance(output, tuple):
        return tuple(_copied(one) for one in output)
    return output.clone() if isinstance(output, Tensor) else output


@contextmanager
def _keeping(layer: nn.Module, projection: nn.Module) -> Generator[list[_Call]]:
    """Inside the `with` block every call of the block is kept, in the order of the calls."""
    calls: list[_Call] = []
    running = False  # a part may be shared with other blocks, whose calls are theirs

    def begin(_: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        nonlocal running
        running = True
        calls.append(_Call(arguments, keywords))

    def keep(part: nn.Module, _: Any, output: Any) -> None:
        if running:
            calls[-1].returned.setdefault(part, []).append(_copied(output))

    def keep_given(part: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        if running:
            calls[-1].given = arguments[0].clone()
        keep(part, arguments, output)

    def end(_: nn.Module, __: Any, output: Any) -> None:
        nonlocal running
        running = False
        calls[-1].leaving = stream_of(output).clone()

    with ExitStack() as stack:
        for handle in (
            layer.register_forward_pre_hook(begin, with_kwargs=True),
            layer.register_forward_hook(end),
            projection.register_forward_hook(keep_given),
            *(part.register_forward_hook(keep) for part in _parts(layer, projection)),
        ):
            stack.callback(handle.remove)
        yield calls


def _written(projection: nn.Module, matrix: Tensor, call: _Call) -> float:
    """How far the projection's output is from its input through `matrix`, and the bias."""
    assert call.given is not None
    bias = kept(projection, "bias")
    expected = call.given.float() @ matrix.to(call.given.device).float().T  # it may be kept elsewhere
    if bias is not None:
        expected = expected + bias.to(expected)
    return gap(call.returned[projection][-1], expected)


def _reached(
    layer: nn.Module, projection: nn.Module, call: _Call, usual: Sequence[float], tolerance: float
) -> tuple[float, float]:
    """The factor with which a vector on the projection's output leaves the block, and how far what leaves
    is from it; an infinite distance where nothing leaves. A factor that rounding tells from none of the
    `usual` ones is that one."""
    assert call.leaving is not None
    before = call.returned[projection][-1]
    draw = torch.randn(before.shape, generator=torch.Generator().manual_seed(13))
    vector = (
        draw * call.leaving.float().norm(dim=-1, keepdim=True).cpu() / draw.norm(dim=-1, keepdim=True)
    ).to(before)
    remaining = {part: iter(outputs) for part, outputs in call.returned.items() if part is not projection}

    def again(part: nn.Module, _: Any, __: Any) -> Any:
        return _copied(next(remaining[part]))

    with ExitStack() as stack:
        stack.callback(projection.register_forward_hook(lambda _m, _a, _out: before + vector).remove)
        for part in remaining:
            stack.callback(part.register_forward_hook(again).remove)
        leaving = stream_of(layer(*call.arguments, **call.keywords))
    moved = (leaving - call.leaving).float()
    factor = float((moved * vector.float()).sum() / vector.float().square().sum())
    if abs(factor) < 1e-3:
        return factor, float("inf")
    factor = next((one for one in usual if abs(factor / one - 1) <= tolerance), factor)
    return factor, gap(moved, factor * vector.float())
