"""The mean of some values, with a bootstrap interval that draws what belongs together as one."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from latentguard.statistics.estimate import Estimate
from latentguard.statistics.metrics import resampled

RESAMPLES = 2000


def column_means(
    values: Float[np.ndarray, "observation column"], groups: Sequence[str] | None = None, *, seed: int = 0
) -> Float[np.ndarray, "3 column"]:
    """Mean of every column, and the ends of its interval as `mean` draws it: the same draws for all."""
    n = len(values)
    names = np.arange(n) if groups is None else np.unique(np.array(groups), return_inverse=True)[1]
    drawn = resampled(names, np.zeros(n, dtype=int), resamples=RESAMPLES, seed=seed).astype(float)
    low, high = np.quantile(drawn @ values / drawn.sum(axis=1, keepdims=True), [0.025, 0.975], axis=0)
    middle = values.mean(axis=0)
    return np.stack([middle, np.minimum(low, middle), np.maximum(high, middle)])


def mean(
    values: Float[np.ndarray, " observation"], groups: Sequence[str] | None = None, *, seed: int = 0
) -> Estimate:
    """Mean of `values`; `groups` names what each belongs to (a request in its wrappings), by default itself.

    No value for none. One group alone has no spread, and its interval is its mean.
    """
    n = len(values)
    if n == 0:
        return Estimate(value=None, n=0)
    value, low, high = column_means(values[:, None], groups, seed=seed)[:, 0].tolist()
    return Estimate(value=value, low=low, high=high, n=n)
