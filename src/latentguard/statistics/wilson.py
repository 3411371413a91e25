"""Wilson's score interval of a share (1927): inside 0..1, and never of width 0."""

import math
from statistics import NormalDist
from typing import Final

from latentguard.statistics.estimate import Estimate

_Z: Final = NormalDist().inv_cdf(0.975)


def wilson(count: float | int, n: int) -> Estimate:
    """`count` of `n` with its 95 % interval; no value where `n` is 0. A count need not be whole (`share`)."""
    if n == 0:
        return Estimate(value=None, n=0)
    share, spread = count / n, _Z * _Z / n
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    # at 0 and n of n the interval ends at the share exactly; rounding must not move it past
    return Estimate(
        value=share, low=min(max(middle - half, 0.0), share), high=max(min(middle + half, 1.0), share), n=n
    )
