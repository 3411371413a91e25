"""How well scores tell two classes, with a bootstrap interval: single, unrelated observations."""

import numpy as np
from jaxtyping import Bool, Float

from latentguard.statistics.estimate import Estimate
from latentguard.statistics.metrics import auroc as _auroc
from latentguard.statistics.metrics import ranked, resampled

RESAMPLES = 2000


def auroc(
    scores: Float[np.ndarray, " observation"], positive: Bool[np.ndarray, " observation"], *, seed: int = 0
) -> Estimate:
    """Probability that a positive one scores above a negative one, ties counted half.

    No value without both classes. Observations are drawn within their class; where some belong together
    (pairs, wrappings of one request), draw them together (`resampled`) instead.
    """
    n = len(scores)
    if not positive.any() or positive.all():
        return Estimate(value=None, n=n)
    drawn = resampled(np.arange(n), positive.astype(int), resamples=RESAMPLES, seed=seed)
    value = float(_auroc(ranked(scores, positive))[0])
    low, high = np.quantile(_auroc(ranked(scores, positive, drawn)), [0.025, 0.975])
    return Estimate(value=value, low=min(float(low), value), high=max(float(high), value), n=n)
