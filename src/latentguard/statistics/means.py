"""The mean of some values, with a bootstrap interval that draws what belongs together as one."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from latentguard.statistics.estimate import Estimate
from latentguard.statistics.metrics import resampled

RESAMPLES = 2000


def mean(
    values: Float[np.ndarray, " observation"], groups: Sequence[str] | None = None, *, seed: int = 0
) -> Estimate:
    """Mean of `values`; `groups` names what each belongs to (a request in its wrappings), by default itself.

    No value for none. One group alone has no spread, and its interval is its mean.
    """
    n = len(values)
    if n == 0:
        return Estimate(value=None, n=0)
    names = np.arange(n) if groups is None else np.unique(np.array(groups), return_inverse=True)[1]
    drawn = resampled(names, np.zeros(n, dtype=int), resamples=RESAMPLES, seed=seed).astype(float)
    total = drawn.sum(axis=1)
    low, high = np.quantile(drawn @ values / total, [0.025, 0.975])
    value = float(values.mean())
    return Estimate(value=value, low=min(float(low), value), high=max(float(high), value), n=n)
