"""How much an edit turns, with its interval, beside directions that mean nothing.

    turned = share of the prompts whose unedited answer is the true one, that answer the opposite when edited

Only those can be turned; what else was said is counted beside. Shares have Wilson's interval; a difference to
controls has a bootstrap one, which resamples prompts and, among the controls, directions.
"""

from typing import Final

import numpy as np
from jaxtyping import Bool

from latentguard.statistics import Estimate, wilson

RESAMPLES: Final = 5_000


def share(turned: Bool[np.ndarray, " prompt"]) -> Estimate:
    """Share of prompts that were turned, with Wilson's interval; no value for none."""
    return wilson(int(turned.sum()), len(turned))


def above(
    turned: Bool[np.ndarray, " prompt"], by_controls: Bool[np.ndarray, "control prompt"], *, seed: int = 0
) -> Estimate:
    """How much more is turned than by the mean control. Prompts are resampled together in both."""
    controls, n = by_controls.shape
    if n == 0 or controls == 0:
        return Estimate(value=None, n=n)
    draw = np.random.default_rng(seed)
    prompts = draw.multinomial(n, np.full(n, 1 / n), size=RESAMPLES) / n
    which = draw.multinomial(controls, np.full(controls, 1 / controls), size=RESAMPLES) / controls
    differences = prompts @ turned - (which * (prompts @ by_controls.T)).sum(axis=1)
    low, high = np.quantile(differences, [0.025, 0.975])
    value = float(turned.mean() - by_controls.mean())
    return Estimate(value=value, low=min(float(low), value), high=max(float(high), value), n=n)


def paired(
    turned: Bool[np.ndarray, " prompt"], other: Bool[np.ndarray, " prompt"], *, seed: int = 0
) -> Estimate:
    """How much more one edit turns than another on the same prompts."""
    return above(turned, other[None], seed=seed)
