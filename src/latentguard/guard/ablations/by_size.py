"""Guards fitted on fewer prompts, as many times as it takes to see how much the choice of them matters."""

import random
from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Float

from latentguard._progress import Progress, silent
from latentguard.data import LABELS, Prompt, Split
from latentguard.errors import TooFewPrompts
from latentguard.guard.ablations.record import SizeRow
from latentguard.guard.guard import Guard
from latentguard.guard.relatives import request_numbers
from latentguard.guard.sampling import RESAMPLES, Sample, estimate
from latentguard.lm import LanguageModel
from latentguard.statistics import metrics

SIZES: Final = (10, 25, 50, 100, 200)
DRAWS: Final = 5
FEWEST_PROMPTS: Final = 7
"""A class: 30 % of them choose, and a class must have two there."""


def by_size(
    model: LanguageModel,
    data: Split,
    *,
    sizes: Sequence[int] = SIZES,
    draws: int = DRAWS,
    seed: int = 0,
    progress: Progress = silent,
) -> list[SizeRow]:
    """Guards as `Guard.fit` makes them by default of so many prompts a class, with which they are fitted and
    chosen: 70 and 30 % of them. Drawn from the training and validation prompts, matched pairs whole.

    A size that the data have not is left out. Draws overlap the more, the nearer a size is to all there are:
    what their spread says of other prompts is then too little. Raises `TooFewPrompts` where no size is
    possible, `ValueError` for one below 7, of which 30 % make no two.
    """
    possible = possible_sizes(data, sizes)
    pool = [*data.train, *data.validation]
    counts = [sum(one.label == label for one in pool) for label in LABELS]
    test = [one for one in data.test if one.label is not None]
    sample = Sample.of(test, resamples=RESAMPLES, seed=seed)
    numbers = [1 if counts == [size, size] else draws for size in possible]
    rows: list[SizeRow] = []
    with model.remembering():
        for size, number in zip(possible, numbers, strict=True):
            values: list[Float[np.ndarray, " resample"]] = []
            for draw in range(number):
                progress("fitting guards", sum(one.draws for one in rows) + draw, sum(numbers))
                values.append(_aurocs(model, drawn(pool, size, seed=seed + draw), sample, test))
            found = estimate(sample.over_copies(np.stack(values)), n=len(test))
            worst = min(float(one[0]) for one in values)
            rows.append(
                SizeRow(prompts=size, draws=number, auroc=found, worst=worst if np.isfinite(worst) else None)
            )
    progress("fitting guards", sum(numbers), sum(numbers))
    return rows


def possible_sizes(data: Split, sizes: Sequence[int]) -> list[int]:
    """Those of `sizes` that training and validation prompts are enough for. Raises as `by_size`."""
    if not sizes or min(sizes) < FEWEST_PROMPTS:
        raise ValueError(
            f"a guard is fitted and chosen on {FEWEST_PROMPTS} prompts a class or more, not "
            f"{min(sizes, default=0)}"
        )
    pool = [*data.train, *data.validation]
    most = min(sum(one.label == label for one in pool) for label in LABELS)
    possible = [size for size in dict.fromkeys(sizes) if size <= most]
    if not possible:
        raise TooFewPrompts(
            f"the smallest of {', '.join(map(str, sizes))} prompts a class is more than the {most} there are."
        )
    return possible


def drawn(pool: Sequence[Prompt], size: int, *, seed: int) -> list[Prompt]:
    """`size` prompts of each class, requests in random order and, where there is room, whole: both halves of
    a matched pair."""
    groups: dict[int, list[Prompt]] = {}
    for number, one in zip(request_numbers(pool), pool, strict=True):
        groups.setdefault(number, []).append(one)
    order = list(groups.values())
    random.Random(f"ablation {size} {seed}").shuffle(order)
    taken: list[Prompt] = []
    left = dict.fromkeys(LABELS, size)
    for one in (one for group in order for one in group):
        if one.label is not None and left[one.label]:
            taken.append(one)
            left[one.label] -= 1
    return taken


def _aurocs(
    model: LanguageModel, fitting: Sequence[Prompt], sample: Sample, test: Sequence[Prompt]
) -> Float[np.ndarray, " resample"]:
    guard = Guard.fit(
        model,
        *([one for one in fitting if one.label == label] for label in LABELS),
        behaviour="skip",
        untrained_copies=0,
        permutations=0,
        categories=False,
    )
    scores = np.array([one.score for one in guard.score(test)])
    return metrics.auroc(metrics.ranked(scores, sample.harmful, sample.with_all()))
