"""The share of some observations that belong together in groups: wrappings of one request, say."""

from collections.abc import Sequence

from latentguard.statistics.estimate import Estimate
from latentguard.statistics.wilson import wilson


def share(marked: Sequence[bool], groups: Sequence[str] | None = None) -> Estimate:
    """Share of `marked`, with Wilson's interval for as many observations as there are groups.

    `groups` names what each observation belongs to, by default itself. Observations of one group say little
    that the first did not: counted as one, the interval is never too narrow, however alike they are. No value
    for none; `n` counts observations.
    """
    n = len(marked)
    if n == 0:
        return Estimate(value=None, n=0)
    different = n if groups is None else len(set(groups))
    value = sum(marked) / n
    found = wilson(value * different, different)
    low, high = found.low or 0.0, 1.0 if found.high is None else found.high
    return Estimate(value=value, low=min(low, value), high=max(high, value), n=n)
