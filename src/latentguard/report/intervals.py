"""95 % intervals of a share and of a mean: the two that need no resampling."""

import math
from statistics import NormalDist
from typing import Final

import torch
from jaxtyping import Float
from scipy.special import stdtrit
from torch import Tensor

from latentguard.report.schema import Proportion

_Z: Final = NormalDist().inv_cdf(0.975)


def wilson(count: int, n: int) -> Proportion:
    """`count` of `n` with the Wilson score interval (1927): inside 0..1, and never of width 0."""
    if n == 0:
        return Proportion(count=0, n=0, share=None, low=None, high=None)
    share, spread = count / n, _Z * _Z / n
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    # at 0 and n of n the interval ends at the share exactly; rounding must not move it past
    return Proportion(
        count=count,
        n=n,
        share=share,
        low=min(max(middle - half, 0.0), share),
        high=max(min(middle + half, 1.0), share),
    )


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
