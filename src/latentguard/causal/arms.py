"""What is added in a causal test, and what it is compared with.

A direction is only as telling as the directions beside it: ones drawn at random and as long, ones from labels
that were shuffled, and each of the two without its part along the other.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from latentguard.lm import AddDirection
from latentguard.lm.edits.scope import Scope


@dataclass(frozen=True, slots=True, eq=False)
class Arm:
    """One direction at every slot, with its length, and the tokens that it is added to."""

    name: str
    vectors: Float[Tensor, "slot hidden"]
    scope: Scope

    def edit(self, slot: int, scale: float) -> AddDirection:
        """`scale` may be negative."""
        return AddDirection(slot, self.vectors[slot], scale, scope=self.scope)


def without(
    vectors: Float[Tensor, "slot hidden"], other: Float[Tensor, "slot hidden"]
) -> Float[Tensor, "slot hidden"]:
    """Each direction without its part along the other, brought back to the length it had.

    Zero where nothing is left; unchanged where the other is zero. Of equal length, so that what it does less
    is not for want of length.
    """
    wide, along = vectors.double(), other.double()
    size = along.square().sum(dim=-1, keepdim=True)
    part = (wide * along).sum(dim=-1, keepdim=True) / size.where(size > 0, 1.0)
    return _as_long(wide - part * along, wide).to(vectors.dtype)


def random_like(
    vectors: Float[Tensor, "slot hidden"], count: int, *, seed: int
) -> list[Float[Tensor, "slot hidden"]]:
    """Directions drawn evenly over all of them, each as long at every slot as `vectors` there."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn((count, vectors.shape[1]), generator=generator, dtype=torch.float64)
    return [_as_long(one.expand(vectors.shape), vectors.double()).to(vectors.dtype) for one in drawn.unbind()]


def shuffled_like(
    vectors: Float[Tensor, "slot hidden"],
    states: Float[Tensor, "prompt slot hidden"],
    positive: Bool[Tensor, " prompt"],
    count: int,
    *,
    seed: int,
    as_drawn: bool = False,
) -> list[Float[Tensor, "slot hidden"]]:
    """Differences of means under labels that say nothing, each as long at every slot as `vectors` there.

    Half of either class, drawn at random, makes one mean and the rest the other. Such a difference is small,
    and what is left in it of the tested direction by chance grows with the length that it is brought to (a
    cosine of up to 0.67 on the organism, whose states vary most along what is planted): that part is taken
    out first, unless `as_drawn`. What remains is how these prompts differ otherwise.
    """
    generator = torch.Generator().manual_seed(seed)
    found: list[Tensor] = []
    for _ in range(count):
        taken = torch.zeros_like(positive)
        for label in (True, False):
            members = (positive == label).nonzero()[:, 0]
            drawn = torch.randperm(len(members), generator=generator)[: len(members) // 2]
            taken[members[drawn]] = True
        difference = states[taken].double().mean(dim=0) - states[~taken].double().mean(dim=0)
        apart = difference if as_drawn else without(difference, vectors)
        found.append(_as_long(apart, vectors.double()).to(vectors.dtype))
    return found


def _as_long(
    vectors: Float[Tensor, "slot hidden"], like: Float[Tensor, "slot hidden"]
) -> Float[Tensor, "slot hidden"]:
    """`vectors` with the lengths of `like`; zero where next to nothing is left of a vector."""
    target = like.norm(dim=-1, keepdim=True)
    length = vectors.norm(dim=-1, keepdim=True)
    return torch.where(length > 1e-6 * target, vectors / length.where(length > 0, 1.0) * target, 0.0)
