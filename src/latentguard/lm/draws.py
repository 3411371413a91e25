"""Normal draws on all cores: torch draws a large tensor on a CPU with one, which here is most of the work.

A large tensor is drawn in pieces of a fixed size, each from a generator of its own whose seed comes from the
global one. So the numbers depend on the seed alone, not on how many cores there are.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_PIECE = 1 << 18


class PiecewiseNormal(TorchFunctionMode):
    """Inside this block a large contiguous tensor of a CPU is filled by `normal_` in pieces, on all cores."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        if func is torch.nn.init.normal_ or func is Tensor.normal_:
            filled = _fill(*args, **given)
            if filled is not None:
                return filled
        return func(*args, **given)


def _fill(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: torch.Generator | None = None
) -> Tensor | None:
    """`tensor`, filled; None where it is left to torch."""
    if generator is not None or tensor.device.type != "cpu":
        return None
    if tensor.numel() < 2 * _PIECE or not tensor.is_contiguous():
        return None
    pieces = tensor.detach().view(-1).split(_PIECE)
    seeds = torch.randint(2**62, (len(pieces),)).tolist()

    def fill(piece: Tensor, seed: int) -> None:
        piece.normal_(mean, std, generator=torch.Generator().manual_seed(seed))

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(fill, pieces, seeds))
    return tensor
