"""Cells: the (position, slot) pairs that a guard reads, and their place in a tensor of states."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from latentguard.lm import States

Position: TypeAlias = Literal["t_inst", "t_post_inst", "both"]
BOTH: tuple[str, str] = ("t_inst", "t_post_inst")


@dataclass(frozen=True, slots=True)
class Cells:
    """Every one of `slots` at every one of `positions`."""

    positions: tuple[str, ...]
    slots: tuple[int, ...]

    def of(self, states: States) -> Float[Tensor, "prompt cell hidden"]:
        """The states of these cells, position-major; a view for all of them and for neighbouring slots of one
        position."""
        return self.taken(states.tensor, states.positions, states.slots)

    def taken(
        self,
        tensor: Float[Tensor, "prompt position slot hidden"],
        positions: Sequence[str | int],
        slots: Sequence[int],
    ) -> Float[Tensor, "prompt cell hidden"]:
        """As `of`, on a plain tensor whose two middle axes are named by `positions` and `slots`."""
        chosen = [list(slots).index(slot) for slot in self.slots]
        run = range(chosen[0], chosen[-1] + 1)
        slot_index = slice(run.start, run.stop) if chosen == list(run) else chosen
        if self.positions == tuple(positions):
            return tensor[:, :, slot_index].flatten(1, 2)
        at = [tensor[:, list(positions).index(position)][:, slot_index] for position in self.positions]
        return at[0] if len(at) == 1 else torch.cat(at, dim=1)

    def within(self, other: "Cells") -> list[int]:
        """Where each of these cells stands among the cells of `other`."""
        return [
            other.positions.index(position) * len(other.slots) + other.slots.index(slot)
            for position in self.positions
            for slot in self.slots
        ]


def positions_of(position: Position) -> tuple[str, ...]:
    """The positions that a choice of position reads."""
    return BOTH if position == "both" else (position,)


def positions_read(choices: Iterable[Position]) -> tuple[str, ...]:
    """The positions that any of several choices reads, t_inst first."""
    wanted = {name for position in choices for name in positions_of(position)}
    return tuple(name for name in BOTH if name in wanted)


def mean_of(
    states: Float[Tensor, "prompt cell hidden"], chosen: Bool[Tensor, " prompt"]
) -> Float[Tensor, "cell hidden"]:
    """The mean state of the chosen prompts in each cell, float32; no copy of all of them is made."""
    return torch.stack([states[chosen, cell].float().mean(dim=0) for cell in range(states.shape[1])])
