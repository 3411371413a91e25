"""How well a score ranks harmful above harmless prompts: AUROC, with an interval that respects pairs."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from latentguard.data import Prompt
from latentguard.report.schema import Estimate

RESAMPLES: Final = 2000
FEWEST: Final = 2
"""With fewer prompts in a class an AUROC is a statement about one prompt."""


def auroc(prompts: Sequence[Prompt], scores: Sequence[float], *, seed: int = 0) -> Estimate:
    """AUROC of `scores` for the label `harmful`, with its bootstrap 95 % interval (percentiles).

    Whole groups are drawn (prompts that share a `base_id`): the halves of a matched pair are no two
    independent observations. Null with fewer than two prompts in a class.
    """
    harmful = np.array([prompt.label == "harmful" for prompt in prompts], dtype=bool)
    values = np.asarray(scores, dtype=float)
    n = len(prompts)
    if min(int(harmful.sum()), n - int(harmful.sum())) < FEWEST:
        return Estimate(value=None, n=n)
    groups = _groups(prompts)
    difference = values[harmful][:, None] - values[~harmful][None, :]
    wins = (difference > 0) + 0.5 * (difference == 0)
    drawn = _weights(groups, np.random.default_rng(seed))
    above, below = drawn[:, harmful], drawn[:, ~harmful]
    pairs = above.sum(axis=1) * below.sum(axis=1)
    kept = pairs > 0
    samples = np.einsum("bi,ij,bj->b", above[kept], wins, below[kept], optimize=True) / pairs[kept]
    low, high = np.quantile(samples, [0.025, 0.975])
    return Estimate(value=float(wins.mean()), low=float(low), high=float(high), n=n)


def _groups(prompts: Sequence[Prompt]) -> list[int]:
    """A number for each prompt's group; a prompt without `base_id` is a group of its own."""
    numbers: dict[object, int] = {}
    return [
        numbers.setdefault(index if prompt.base_id is None else ("base", prompt.base_id), len(numbers))
        for index, prompt in enumerate(prompts)
    ]


def _weights(groups: Sequence[int], random: np.random.Generator) -> np.ndarray:
    """How often each prompt was drawn in each resample, by groups drawn with replacement."""
    n_groups = max(groups) + 1
    counts = random.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=RESAMPLES)
    return counts[:, list(groups)].astype(float)
