"""The places of a decoder that are read: slots of the residual stream, and what an output projection is
handed, head by head."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from latentguard.lm.blocks import Blocks, entering, stream_of
from latentguard.lm.heads import HeadSite

Take = Callable[[Tensor], None]
"""Takes what passes a place, [row token width]."""


@dataclass(frozen=True, slots=True, eq=False)
class Tap:
    """One place. `depth`: blocks that have at least begun when it is passed; taps are read in that order."""

    name: str
    depth: int
    hook: Callable[[Take], RemovableHandle]


def slot_taps(blocks: Blocks, slots: Sequence[int]) -> tuple[Tap, ...]:
    """One tap a slot: the residual stream entering that block, or leaving the last."""
    return tuple(Tap(f"slot {slot}", slot, partial(_hook_slot, blocks, slot)) for slot in slots)


def head_taps(sites: Sequence[tuple[int, HeadSite]]) -> tuple[Tap, ...]:
    """One tap a block of `sites`: the input of its attention's output projection."""
    return tuple(
        Tap(f"the heads of block {block}", block + 1, partial(_hook_input, site.projection))
        for block, site in sites
    )


def _hook_slot(blocks: Blocks, slot: int, take: Take) -> RemovableHandle:
    if slot == len(blocks):

        def leaving(_: nn.Module, __: Any, output: Any) -> None:
            take(stream_of(output))

        return blocks.layers[-1].register_forward_hook(leaving)

    def before(_: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        take(entering(arguments, keywords))

    return blocks.layers[slot].register_forward_pre_hook(before, with_kwargs=True)


def _hook_input(projection: nn.Module, take: Take) -> RemovableHandle:
    def before(_: nn.Module, arguments: tuple[Any, ...]) -> None:
        take(arguments[0])

    return projection.register_forward_pre_hook(before)
