"""Directions: differences of two means, one a slot, with their raw length and where they come from.

    v_l = mu_l+ - mu_l-

Nothing is centred or normalised first (Zhao et al. 2025, section 3): the length is what an edit of
scale 1 adds, and it grows along the slots (Qwen2-7B: about 2.5 at slot 1, 148 at slot 28).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from latentguard.beliefs.belief import coinciding
from latentguard.beliefs.unit import at_least_float32, unit

Kind: TypeAlias = Literal["harmfulness", "refusal"]


@dataclass(frozen=True, slots=True, eq=False)
class Direction:
    """One difference of means at one slot and position, and everything needed to say whose it is."""

    vector: Float[Tensor, " hidden"]
    """mu+ - mu- at `slot`, raw length kept, float32."""
    slot: int
    position: str
    """Where in the prompt the states were read, such as `t_inst` or `t_inst-2`."""
    kind: Kind
    n_positive: int
    """Base prompts whose states make the positive mean (an ending variant is not counted again)."""
    n_negative: int
    endings: str
    """`balanced` or `as_written`."""
    provenance: dict[str, str] = field(default_factory=dict[str, str])
    """Model, revision, data hash and the like, as the caller records them."""

    @property
    def length(self) -> float:
        """Euclidean length of the vector, in the model's own activation units."""
        return float(self.vector.square().sum().sqrt())


def difference_of_means(
    positive: Float[Tensor, "slot hidden"], negative: Float[Tensor, "slot hidden"]
) -> Float[Tensor, "slot hidden"]:
    """Positive centroid minus negative centroid at every slot; exactly 0 where the two coincide."""
    difference = at_least_float32(positive) - at_least_float32(negative)
    return difference.masked_fill(coinciding(positive, negative)[:, None], 0.0)


def directions(
    positive: Float[Tensor, "slot hidden"],
    negative: Float[Tensor, "slot hidden"],
    *,
    kind: Kind,
    position: str,
    n_positive: int,
    n_negative: int,
    endings: str,
    slots: Sequence[int] | None = None,
    provenance: dict[str, str] | None = None,
) -> tuple[Direction, ...]:
    """One `Direction` for each slot of two centroids; `slots` gives the slots' numbers in the model.

    The default numbers them from 0.
    """
    vectors = difference_of_means(positive, negative)
    numbers = range(vectors.shape[0]) if slots is None else slots
    return tuple(
        Direction(
            vector=vector,
            slot=slot,
            position=position,
            kind=kind,
            n_positive=n_positive,
            n_negative=n_negative,
            endings=endings,
            provenance=dict(provenance or {}),
        )
        for vector, slot in zip(vectors, numbers, strict=True)
    )


def cosine_by_slot(
    first: Float[Tensor, "slot hidden"], second: Float[Tensor, "slot hidden"]
) -> Float[Tensor, " slot"]:
    """Cosine of two stacks of directions at every slot, in [-1, 1].

    NaN where either is zero, as the refusal direction is at slot 0 of `t_post_inst`: a curve shows a gap
    there, and a mean over it says that it has no value.
    """
    if first.shape != second.shape:
        raise ValueError(f"the two stacks differ in shape: {list(first.shape)} and {list(second.shape)}")
    return (unit(first) * unit(second)).sum(dim=-1).clamp(-1.0, 1.0)


def stacked(chosen: Sequence[Direction]) -> Float[Tensor, "slot hidden"]:
    """The vectors of several directions as one tensor, in the order given."""
    return torch.stack([direction.vector for direction in chosen])
