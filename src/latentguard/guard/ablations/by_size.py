"""Guards fitted on fewer prompts, as many times as it takes to see how much the choice of them matters."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from latentguard._kept import KeptLines
from latentguard._progress import Progress, silent
from latentguard.data import LABELS, Prompt, Split, ordered_hash
from latentguard.errors import TooFewPrompts
from latentguard.guard.ablations.record import SizeRow
from latentguard.guard.fitting_data import fitting_data
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
    folder: Path | None = None,
    progress: Progress = silent,
) -> list[SizeRow]:
    """Guards as `Guard.fit` makes them by default of so many prompts a class, with which they are fitted and
    chosen: 70 and 30 % of them. Drawn from the training and validation prompts, matched pairs whole.

    A size that the data have not is left out. Draws overlap the more, the nearer a size is to all there are:
    what their spread says of other prompts is then too little. In `folder` a guard's scores are kept, and it
    is not fitted again. Raises `TooFewPrompts` where no size is possible, `ValueError` for one below 7, of
    which 30 % make no two.
    """
    taken = all_draws(data, sizes, draws, seed=seed)
    guards = sum(map(len, taken.values()))
    test = [one for one in data.test if one.label is not None]
    sample = Sample.of(test, resamples=RESAMPLES, seed=seed)
    about = f"{model.identity().deciding} {ordered_hash(test)}"
    kept = None if folder is None else KeptLines(folder, "guards", about)
    known: dict[str, list[float]] = {} if kept is None else kept.read()
    rows: list[SizeRow] = []
    with model.remembering():
        for size, prompts in taken.items():
            values: list[Float[np.ndarray, " resample"]] = []
            for fitting in prompts:
                progress("fitting guards", sum(one.draws for one in rows) + len(values), guards)
                name = ordered_hash(fitting)
                if name not in known:
                    known[name] = _scores(model, fitting, test)
                    if kept is not None:
                        kept.write({name: known[name]})
                ranked = metrics.ranked(np.array(known[name]), sample.harmful, sample.with_all())
                values.append(metrics.auroc(ranked))
            found = estimate(sample.over_copies(np.stack(values)), n=len(test))
            least = min(float(one[0]) for one in values)
            worst = least if np.isfinite(least) else None
            rows.append(SizeRow(prompts=size, draws=len(prompts), auroc=found, worst=worst))
    progress("fitting guards", guards, guards)
    return rows


def all_draws(data: Split, sizes: Sequence[int], draws: int, *, seed: int) -> dict[int, list[list[Prompt]]]:
    """The prompts of every guard, by size; a size that takes all there are is drawn once. Raises as `by_size`
    where one of them could not be fitted."""
    if not sizes or min(sizes) < FEWEST_PROMPTS:
        raise ValueError(
            f"a guard is fitted and chosen on {FEWEST_PROMPTS} prompts a class or more, not "
            f"{min(sizes, default=0)}"
        )
    pool = [*data.train, *data.validation]
    counts = [sum(one.label == label for one in pool) for label in LABELS]
    possible = [size for size in dict.fromkeys(sizes) if size <= min(counts)]
    if not possible:
        raise TooFewPrompts(
            f"the smallest of {', '.join(map(str, sizes))} prompts a class is more than the {min(counts)} "
            "there are."
        )
    found = {
        size: [drawn(pool, size, seed=seed + draw) for draw in range(1 if counts == [size, size] else draws)]
        for size in possible
    }
    for fitting in (one for of_size in found.values() for one in of_size):
        fitting_data(*_by_class(fitting), None, seed=0)  # as Guard.fit splits them
    return found


def drawn(pool: Sequence[Prompt], size: int, *, seed: int) -> list[Prompt]:
    """`size` prompts of each class, requests in random order: of each request one prompt a class, both halves
    of a matched pair, and further ones only when all requests have given one."""
    groups: dict[int, list[Prompt]] = {}
    for number, one in zip(request_numbers(pool), pool, strict=True):
        groups.setdefault(number, []).append(one)
    order = list(groups.values())
    random.Random(f"ablation {size} {seed}").shuffle(order)
    rounds: dict[int, list[Prompt]] = {}
    for group in order:
        for label in LABELS:
            for number, one in enumerate(one for one in group if one.label == label):
                rounds.setdefault(number, []).append(one)
    taken: list[Prompt] = []
    left = dict.fromkeys(LABELS, size)
    for one in (one for number in sorted(rounds) for one in rounds[number]):
        if one.label is not None and left[one.label]:
            taken.append(one)
            left[one.label] -= 1
    return taken


def _by_class(prompts: Sequence[Prompt]) -> tuple[list[Prompt], list[Prompt]]:
    harmful, harmless = ([one for one in prompts if one.label == label] for label in LABELS)
    return harmful, harmless


def _scores(model: LanguageModel, fitting: Sequence[Prompt], test: Sequence[Prompt]) -> list[float]:
    """Of the test prompts, by a guard fitted on the others."""
    guard = Guard.fit(
        model,
        *_by_class(fitting),
        behaviour="skip",
        untrained_copies=0,
        permutations=0,
        categories=False,
    )
    return [one.score for one in guard.score(test)]
