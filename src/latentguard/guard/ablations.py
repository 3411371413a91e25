"""How many prompts does a guard need, and which slots? Both on test prompts that nothing is fitted on.

The paper fits on a hundred prompts a class and all layers (Zhao et al. 2025, section 6) and tries neither.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from latentguard._progress import Progress, silent
from latentguard.beliefs import layer_scores
from latentguard.data import Endings, Prompt, Split, with_endings
from latentguard.errors import TooFewPrompts
from latentguard.guard.guard import Guard
from latentguard.guard.sampling import RESAMPLES, Sample, estimate
from latentguard.lm import LanguageModel
from latentguard.statistics import Estimate, metrics

SIZES: Final = (10, 25, 50, 100, 200)
DRAWS: Final = 5


@dataclass(frozen=True, slots=True)
class SizeRow:
    """Guards fitted on so many prompts of a class."""

    prompts: int
    draws: int
    """Guards behind the row, each on prompts of its own draw."""
    auroc: Estimate
    """Mean over draws; draws and test prompts are resampled."""


@dataclass(frozen=True, slots=True)
class SlotRow:
    """The belief at one slot alone, or over all but slot 0."""

    slot: int | None
    """None: all."""
    auroc: Estimate


def by_size(
    model: LanguageModel,
    data: Split,
    *,
    sizes: Sequence[int] = SIZES,
    draws: int = DRAWS,
    seed: int = 0,
    progress: Progress = silent,
) -> list[SizeRow]:
    """Guards as `Guard.fit` makes them by default, on subsets of the training prompts; all choose their slots
    on the same validation prompts. A size that the data have not is left out.

    Raises `TooFewPrompts` where they have none of them.
    """
    of_class = [[one for one in data.train if one.label == label] for label in ("harmful", "harmless")]
    most = min(map(len, of_class))
    possible = [size for size in sizes if size <= most]
    if not possible:
        raise TooFewPrompts(
            f"the smallest of {', '.join(map(str, sizes))} prompts a class is more than the {most} there are."
        )
    test = [one for one in data.test if one.label is not None]
    sample = Sample.of(test, resamples=RESAMPLES, seed=seed)
    rows: list[SizeRow] = []
    with model.remembering():
        for size in possible:
            number = 1 if size == most else draws
            values = [
                _aurocs(sample, _scores(model, data, _drawn(of_class, size, seed + draw), test, progress))
                for draw in range(number)
            ]
            found = estimate(sample.over_copies(np.stack(values)), n=len(test))
            rows.append(SizeRow(size, number, found))
    return rows


def by_slot(
    model: LanguageModel,
    data: Split,
    *,
    endings: Endings = "balanced",
    seed: int = 0,
    progress: Progress = silent,
) -> list[SlotRow]:
    """The harmfulness belief at t_inst, fitted on labels of the training prompts: every slot, then all."""
    train = with_endings([one for one in data.train if one.label is not None], endings)
    groups = [0 if one.label == "harmful" else 1 for one in train]
    if set(groups) != {0, 1}:
        raise TooFewPrompts("a belief is fitted on both classes, and the training prompts have one.")
    test = [one for one in data.test if one.label is not None]
    sample = Sample.of(test, resamples=RESAMPLES, seed=seed)
    means = model.means([one.messages for one in train], groups, progress=progress)[:, 0]
    states = model.capture([one.messages for one in test], progress=progress).at("t_inst")
    scores = layer_scores(states, means[0], means[1])
    read = [*scores.unbind(dim=1), torch.nanmean(scores[:, 1:], dim=1)]
    slots: list[int | None] = [*range(model.n_slots), None]
    return [
        SlotRow(slot, estimate(_aurocs(sample, one.double().numpy()), n=len(test)))
        for slot, one in zip(slots, read, strict=True)
    ]


def _drawn(of_class: Sequence[Sequence[Prompt]], size: int, seed: int) -> list[Prompt]:
    rng = random.Random(f"ablation {size} {seed}")
    return [one for members in of_class for one in rng.sample(list(members), size)]


def _scores(
    model: LanguageModel, data: Split, train: list[Prompt], test: Sequence[Prompt], progress: Progress
) -> np.ndarray:
    guard = Guard.fit(
        model,
        Split(train=train, validation=data.validation, test=[]),
        behaviour="skip",
        untrained_copies=0,
        permutations=0,
        categories=False,
        progress=progress,
    )
    return np.array([one.score for one in guard.score(test, progress=progress)])


def _aurocs(sample: Sample, scores: np.ndarray) -> np.ndarray:
    return metrics.auroc(metrics.ranked(scores, sample.harmful, sample.with_all()))
