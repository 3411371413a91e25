"""95 % intervals of a share and of a mean: the two that need no resampling."""

import math

import torch
from jaxtyping import Float
from scipy.special import stdtrit
from torch import Tensor

from latentguard.report.schema import Proportion
from latentguard.statistics import wilson


def proportion(count: int, n: int) -> Proportion:
    """`count` of `n` with the Wilson score interval."""
    found = wilson(count, n)
    return Proportion(count=count, n=n, share=found.value, low=found.low, high=found.high)


def mean_interval(
    values: Float[Tensor, "prompt slot"],
) -> tuple[Float[Tensor, "slot"], Float[Tensor, "slot"], Float[Tensor, "slot"]]:
    """Mean over prompts at every slot, and Student's 95 % interval of it. Needs two prompts or more."""
    n = values.shape[0]
    if n < 2:
        raise ValueError("an interval of a mean needs at least two values")
    wide = values.double()
    mean = wide.mean(dim=0)
    half = float(stdtrit(n - 1, 0.975)) * wide.std(dim=0, correction=1) / math.sqrt(n)
    return mean.to(values.dtype), (mean - half).to(values.dtype), (mean + half).to(values.dtype)


def finite(values: Float[Tensor, "slot"]) -> tuple[float | None, ...]:
    """A tensor as plain numbers, None where one has no value."""
    return tuple(
        value if ok else None
        for value, ok in zip(values.tolist(), torch.isfinite(values).tolist(), strict=True)
    )
