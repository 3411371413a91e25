"""The share of some observations that belong together in groups: wrappings of one request, say."""

from collections import Counter
from collections.abc import Sequence

from latentguard.statistics.estimate import Estimate
from latentguard.statistics.wilson import score_interval


def share(marked: Sequence[bool], groups: Sequence[str]) -> Estimate:
    """Share of `marked`, with Wilson's interval for as many observations as the groups are worth.

        (sum of m)^2 / (sum of m^2),   m the size of each group

    That many independent ones tell as much if all of a group are alike (Kish's effective sample size): the
    interval is never too narrow, however alike they are. No value for none; `n` counts observations.
    """
    n = len(marked)
    if n == 0:
        return Estimate(value=None, n=0)
    sizes = Counter(groups).values()
    value = sum(marked) / n
    low, high = score_interval(value, n * n / sum(size * size for size in sizes))
    return Estimate(value=value, low=low, high=high, n=n)
