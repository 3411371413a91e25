"""Wilson's score interval of a share (1927): inside 0..1, and never of width 0."""

import math
from statistics import NormalDist
from typing import Final

from latentguard.statistics.estimate import Estimate

_Z: Final = NormalDist().inv_cdf(0.975)


def wilson(count: int, n: int) -> Estimate:
    """`count` of `n` with its 95 % interval; no value where `n` is 0."""
    if n == 0:
        return Estimate(value=None, n=0)
    low, high = score_interval(count / n, float(n))
    return Estimate(value=count / n, low=low, high=high, n=n)


def score_interval(share: float, n: float) -> tuple[float, float]:
    """The 95 % interval of a share of `n` observations, which need not be whole."""
    spread = _Z * _Z / n
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    # at 0 and n of n the interval ends at the share exactly; rounding must not move it past
    return min(max(middle - half, 0.0), share), max(min(middle + half, 1.0), share)
