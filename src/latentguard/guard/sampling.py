"""The bootstrap over evaluated prompts and over copies: one set of draws, so that differences are paired."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from latentguard.data import Prompt
from latentguard.guard.relatives import request_numbers
from latentguard.statistics import Estimate
from latentguard.statistics.metrics import resampled

RESAMPLES = 2000
SMALLEST_STRATUM = 8
"""Groups; strata of fewer are merged."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Labels of the evaluated prompts and how often each was drawn in each resample.

    Prompts of one request are drawn together: those with one `base_id`, and the row that it names. Groups of
    the same classes and sources form a stratum; strata of few groups are drawn as one, because a group alone
    in its stratum would never vary.
    """

    harmful: Bool[np.ndarray, " prompt"]
    draws: Float[np.ndarray, "resample prompt"]
    seed: int

    @classmethod
    def of(cls, prompts: Sequence[Prompt], *, resamples: int, seed: int) -> "Sample":
        """Draw `resamples` times; 0 draws nothing."""
        groups = request_numbers(prompts)
        strata = _strata(groups, prompts)
        return cls(
            harmful=np.array([one.label == "harmful" for one in prompts], dtype=bool),
            draws=resampled(np.array(groups), np.array(strata), resamples=resamples, seed=seed),
            seed=seed,
        )

    def with_all(self) -> Float[np.ndarray, "resample prompt"]:
        """The draws, below a first row that takes every prompt once."""
        return np.concatenate([np.ones((1, len(self.harmful)), dtype=self.draws.dtype), self.draws])

    def over_copies(self, values: Float[np.ndarray, "copy resample"]) -> Float[np.ndarray, " resample"]:
        """The mean over copies: all alike in the first row, resampled with replacement in every draw.

        The same draws of copies for every value of one sample. One copy has no spread; the spread of k copies
        comes out too small by (k - 1) / k, as that of any small sample does.
        """
        n = len(values)
        # Another stream than the one that drew the prompts: the two kinds of luck are independent.
        generator = np.random.default_rng([self.seed, 1])
        drawn = generator.multinomial(n, np.full(n, 1 / n), size=len(self.draws))
        shares = np.concatenate([np.ones((1, n)), drawn]) / n
        return (shares.T * values).sum(axis=0)


def estimate(values: Float[np.ndarray, " resample"], *, n: int) -> Estimate:
    """The first value, with the 2.5 and 97.5 percentiles of the others as its interval."""
    if not np.isfinite(values[0]):
        return Estimate(value=None, n=n)
    drawn = values[1:][np.isfinite(values[1:])]
    if len(drawn) == 0:
        return Estimate(value=float(values[0]), n=n)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(value=float(values[0]), low=float(low), high=float(high), n=n)


def _strata(groups: Sequence[int], prompts: Sequence[Prompt]) -> list[int]:
    """The stratum of each prompt's group, from fine to coarse: classes and sources, classes, everything."""
    kinds: dict[int, set[tuple[str | None, str | None]]] = {}
    for group, one in zip(groups, prompts, strict=True):
        kinds.setdefault(group, set()).add((one.label, one.source))
    names: dict[int, object] = {group: frozenset(found) for group, found in kinds.items()}
    coarser: tuple[dict[int, object], ...] = (
        {group: frozenset(label for label, _ in found) for group, found in kinds.items()},
        dict.fromkeys(kinds, "rest"),
    )
    for coarse in coarser:
        sizes = Counter(names.values())
        names = {
            group: name if sizes[name] >= SMALLEST_STRATUM else coarse[group] for group, name in names.items()
        }
    return _numbered([names[group] for group in groups])


def _numbered(names: Sequence[object]) -> list[int]:
    numbers: dict[object, int] = {}
    return [numbers.setdefault(name, len(numbers)) for name in names]
