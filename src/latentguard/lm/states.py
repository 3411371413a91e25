"""What is read from a model, gathered: hidden states, the heads of attention, or running means."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latentguard.lm.chat.rendered import Position
from latentguard.lm.edits.heads import Head

Sink = Callable[[int, "Int[Tensor, ' read']", "Float[Tensor, ' read hidden']"], None]
"""Takes (number of the tap, flat targets prompt * positions + position, states)."""


@dataclass(frozen=True, slots=True, eq=False)
class States:
    """Hidden states read from a model, on the CPU, prompts in the order given; float32 unless asked for
    otherwise."""

    tensor: Float[Tensor, "prompt position slot hidden"]
    positions: tuple[Position, ...]
    slots: tuple[int, ...]

    def at(self, position: Position) -> Float[Tensor, "prompt slot hidden"]:
        """The states at one named position."""
        return self.tensor[:, self.positions.index(position)]


@dataclass(frozen=True, slots=True, eq=False)
class HeadStates:
    """What every query head wrote, before the output projection, on the CPU, prompts in the order given."""

    tensor: Float[Tensor, "prompt position block head width"]
    positions: tuple[Position, ...]
    blocks: tuple[int, ...]

    def at(self, position: Position) -> Float[Tensor, "prompt block head width"]:
        """The heads at one position."""
        return self.tensor[:, self.positions.index(position)]

    def of(self, heads: Sequence[Head]) -> Float[Tensor, "prompt position head width"]:
        """Some heads, in the order given: the `values` of a `ReplaceHeads` at the same positions."""
        blocks = [self.blocks.index(block) for block, _ in heads]
        return self.tensor[:, :, blocks, [head for _, head in heads]]


@dataclass(frozen=True, slots=True, eq=False)
class HeadAttributions:
    """What every query head added along one direction, on the CPU, prompts in the order given."""

    tensor: Float[Tensor, "prompt position block head"]
    positions: tuple[Position, ...]
    blocks: tuple[int, ...]

    def at(self, position: Position) -> Float[Tensor, "prompt block head"]:
        """The attributions at one position."""
        return self.tensor[:, self.positions.index(position)]


def gather_states(
    n_prompts: int, n_positions: int, n_slots: int, hidden: int, *, dtype: torch.dtype = torch.float32
) -> tuple[Float[Tensor, "prompt position slot hidden"], Sink]:
    """An empty tensor of states and the sink that fills it."""
    out = torch.empty((n_prompts * n_positions, n_slots, hidden), dtype=dtype)

    def sink(slot: int, targets: Tensor, states: Tensor) -> None:
        out[targets, slot] = states.to(dtype)

    return out.view(n_prompts, n_positions, n_slots, hidden), sink


def gather_means(
    groups: Sequence[int], n_groups: int, n_positions: int, n_slots: int, hidden: int
) -> tuple[Callable[[], Float[Tensor, "group position slot hidden"]], Sink]:
    """Running means by group, accumulated in float64: memory does not grow with the prompts."""
    sums = torch.zeros((n_groups * n_positions, n_slots, hidden), dtype=torch.float64)
    group_of = torch.tensor(groups, dtype=torch.long)
    counts = torch.bincount(group_of, minlength=n_groups)
    if bool((counts == 0).any()):
        raise ValueError(f"group {int(counts.argmin())} has no prompt, so it has no mean")

    def sink(slot: int, targets: Tensor, states: Tensor) -> None:
        cell = group_of[targets // n_positions] * n_positions + targets % n_positions
        sums[:, slot].index_add_(0, cell, states.double())

    def means() -> Float[Tensor, "group position slot hidden"]:
        shaped = sums.view(n_groups, n_positions, n_slots, hidden)
        return (shaped / counts[:, None, None, None]).float()

    return means, sink
