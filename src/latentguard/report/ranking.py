"""How well a score ranks harmful above harmless prompts: AUROC, with an interval that respects pairs."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from latentguard.data import Prompt
from latentguard.guard.sampling import RESAMPLES, Sample
from latentguard.guard.sampling import estimate as bootstrap
from latentguard.statistics import Estimate, metrics

FEWEST: Final = 2
"""With fewer prompts in a class an AUROC is a statement about one prompt."""


def difference(
    prompts: Sequence[Prompt], first: Sequence[float], second: Sequence[float], *, seed: int = 0
) -> Estimate:
    """AUROC of `first` minus that of `second`, both in every draw: prompts that are hard for both cancel."""
    sample = Sample.of(prompts, resamples=RESAMPLES, seed=seed)
    one, other = (
        metrics.auroc(metrics.ranked(np.asarray(scores, dtype=float), sample.harmful, sample.with_all()))
        for scores in (first, second)
    )
    return bootstrap(one - other, n=len(prompts))


def auroc(prompts: Sequence[Prompt], scores: Sequence[float], *, seed: int = 0) -> Estimate:
    """AUROC of `scores` for the label `harmful`, with its bootstrap 95 % interval (percentiles).

    Prompts that share a `base_id` are drawn together: the halves of a matched pair are no two independent
    observations. Null with fewer than two prompts in a class.
    """
    n_harmful = sum(prompt.label == "harmful" for prompt in prompts)
    if min(n_harmful, len(prompts) - n_harmful) < FEWEST:
        return Estimate(value=None, n=len(prompts))
    sample = Sample.of(prompts, resamples=RESAMPLES, seed=seed)
    ranked = metrics.ranked(np.asarray(scores, dtype=float), sample.harmful, sample.with_all())
    return bootstrap(metrics.auroc(ranked), n=len(prompts))
