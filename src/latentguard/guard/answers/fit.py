"""Fitting how answers are read: centroids on training answers, slots and trigger on validation answers.

Harmfulness sets accepted answers to harmful prompts against accepted answers to harmless ones, and refusal
sets refused against accepted answers to harmful ones: each is fitted with the other held still, because what
is to be cut is an answer that was given.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from torch import Tensor

from latentguard._progress import Progress
from latentguard.beliefs import CELLS, FEWEST, Cell, described
from latentguard.beliefs.behaviour import MOST_NEW_TOKENS
from latentguard.data import Prompt
from latentguard.errors import TooFewPrompts
from latentguard.guard.answers.choosing import chosen, expected
from latentguard.guard.answers.made import CellMeans, Scored, cell_means, scored
from latentguard.guard.answers.reader import Clusters
from latentguard.guard.answers.record import FittedAnswers
from latentguard.guard.captured import staged
from latentguard.guard.choice import windows
from latentguard.guard.fitting_data import FittingData
from latentguard.lm import LanguageModel

TRAINING_ANSWERS = 200
"""Of each class: a mean over so many answers moves no more, and each costs as many runs as it has tokens."""


def fewest_harmless(target_fpr: float) -> int:
    """Harmless answers without which a share of `target_fpr` cannot be promised of the next one."""
    return math.ceil(1 / target_fpr - 1e-9) - 1


def fit_answers(
    model: LanguageModel,
    data: FittingData,
    ordinary: Sequence[Prompt],
    *,
    target_fpr: float,
    tokens: int,
    seed: int,
    progress: Progress,
) -> tuple[FittedAnswers, dict[str, Tensor]]:
    """The record and its centroids. `ordinary`: more harmless prompts for the thresholds.

    Raises `TooFewPrompts` where a cell that is needed has too few answers.
    """
    harmless = [*(one for one in data.validation if one.label == "harmless"), *ordinary]
    fewest = fewest_harmless(target_fpr)
    if len(harmless) < fewest:
        raise TooFewPrompts(
            f"to cut at most {target_fpr:g} of harmless answers takes {fewest} of them to set the threshold "
            f"on; there are {len(harmless)} harmless validation prompts.\n"
            "  Give more ordinary prompts, or a larger target."
        )
    slots = tuple(range(1, model.n_slots))
    means = cell_means(model, _some(data.train, seed), slots, progress=staged(progress, "training answers"))
    harmfulness, refusal = _clusters(means, slots)
    answers = [
        *_answers(model, data.validation, "harmful", harmfulness, refusal, MOST_NEW_TOKENS, progress),
        *_answers(model, harmless, "harmless", harmfulness, refusal, tokens, progress),
    ]
    _check_validation(answers, fewest)
    runs = windows(model.n_blocks)
    reading = chosen(answers, slots, runs, target_fpr)
    later = expected(answers, slots, runs, target_fpr, seed)
    record = FittedAnswers(
        slots=reading.slots,
        refusal_slots=reading.refusal_slots,
        refusal_threshold=reading.refusal_threshold,
        high=reading.trigger.high,
        low=reading.trigger.low,
        patience=reading.trigger.patience,
        target_fpr=target_fpr,
        tokens=tokens,
        train={cell: means.counts.get(cell, 0) for cell in CELLS},
        validation=_counts(one.cell for one in answers),
        validation_auroc=reading.auroc,
        false_cuts=later.false_cuts,
        caught=later.caught,
        caught_after=later.caught_after,
    )
    tensors = _tensors("answers.harmfulness", harmfulness, record.slots)
    if refusal is not None:
        tensors |= _tensors("answers.refusal", refusal, record.refusal_slots)
    return record, tensors


def _some(prompts: Sequence[Prompt], seed: int) -> list[Prompt]:
    """At most `TRAINING_ANSWERS` of each class, drawn."""
    order = np.random.default_rng(seed).permutation(len(prompts)).tolist()
    drawn = [prompts[number] for number in order]
    classes = ([one for one in drawn if one.label == label] for label in ("harmful", "harmless"))
    return [one for members in classes for one in members[:TRAINING_ANSWERS]]


def _answers(
    model: LanguageModel,
    prompts: Sequence[Prompt],
    label: str,
    harmfulness: Clusters,
    refusal: Clusters | None,
    max_new_tokens: int,
    progress: Progress,
) -> list[Scored]:
    return scored(
        model,
        [one for one in prompts if one.label == label],
        harmfulness,
        refusal,
        max_new_tokens=max_new_tokens,
        progress=staged(progress, f"validation answers, {label}"),
    )


def _clusters(means: CellMeans, slots: tuple[int, ...]) -> tuple[Clusters, Clusters | None]:
    """Both pairs of centroids. Raises `TooFewPrompts` where too few prompts were accepted."""
    small = [cell for cell in ("accepted_harmful", "accepted_harmless") if means.counts.get(cell, 0) < FEWEST]
    if small:
        raise TooFewPrompts(
            f"fewer than {FEWEST} training answers are {' and '.join(small)} "
            f"({described({**means.counts})}).\n"
            "  What an accepted harmful answer looks like is learned from such answers: give harmful prompts "
            "that this model answers, wrapped ones say."
        )
    accepted = means.mean("accepted_harmful")
    refusal = None
    if means.counts.get("refused_harmful", 0) >= FEWEST:
        refusal = Clusters(slots, means.mean("refused_harmful"), accepted)
    return Clusters(slots, accepted, means.mean("accepted_harmless")), refusal


def _check_validation(answers: Sequence[Scored], fewest: int) -> None:
    counts = _counts(one.cell for one in answers)
    harmless = counts["accepted_harmless"] + counts["refused_harmless"]
    if harmless < fewest or counts["accepted_harmful"] < FEWEST:
        raise TooFewPrompts(
            f"the thresholds need {fewest} harmless and {FEWEST} accepted harmful validation answers that "
            f"are not empty; there are {harmless} and {counts['accepted_harmful']}.\n"
            "  Give more ordinary prompts, and more harmful ones that this model answers."
        )


def _counts(cells: Iterable[Cell]) -> dict[str, int]:
    listed = list(cells)
    return {cell: listed.count(cell) for cell in CELLS}


def _tensors(name: str, clusters: Clusters, slots: tuple[int, ...]) -> dict[str, Tensor]:
    index = [clusters.slots.index(slot) for slot in slots]
    return {
        f"{name}.positive": clusters.positive[index].contiguous(),
        f"{name}.negative": clusters.negative[index].contiguous(),
    }
