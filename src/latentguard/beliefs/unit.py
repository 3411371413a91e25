"""Vectors of length one, exact to float32 whatever the precision and the size of what comes in."""

import torch
from jaxtyping import Float
from torch import Tensor


def at_least_float32(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The same values in float32, or in float64 where they came so."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def unit(vectors: Float[Tensor, "*batch hidden"]) -> Float[Tensor, "*batch hidden"]:
    """Each vector divided by its length; NaN where it is zero or not finite.

    Divided by its largest entry first: squares of entries beyond 1e19 would leave float32's range.
    """
    vectors = at_least_float32(vectors)
    vectors = vectors / vectors.abs().amax(dim=-1, keepdim=True)
    return vectors / vectors.square().sum(dim=-1, keepdim=True).sqrt()


def unit_difference(
    positive: Float[Tensor, "*batch hidden"], negative: Float[Tensor, "*batch hidden"]
) -> Float[Tensor, "*batch hidden"]:
    """unit(positive) - unit(negative), in float64: two close centroids differ in their last digits."""
    return unit(positive.to(torch.float64)) - unit(negative.to(torch.float64))
