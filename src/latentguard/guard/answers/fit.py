"""Fitting how answers are read: weights on training answers; method, slots and trigger on validation answers.

Harmfulness sets accepted answers to harmful prompts against accepted answers to harmless ones, and refusal
sets refused against accepted answers to harmful ones: each is fitted with the other held still, because what
is to be cut is an answer that was given.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from latentguard._progress import Progress
from latentguard.beliefs import CELLS, FEWEST, Cell, described
from latentguard.beliefs.behaviour import MOST_NEW_TOKENS
from latentguard.data import Prompt
from latentguard.errors import TooFewPrompts
from latentguard.guard.answers.choosing import AnswerReading, chosen, expected
from latentguard.guard.answers.made import AnswerMeans, ScoredAnswer, mean_states, scored
from latentguard.guard.answers.reader import CentroidPair
from latentguard.guard.answers.record import FittedAnswers
from latentguard.guard.best import fit_cells
from latentguard.guard.captured import staged
from latentguard.guard.cells import mean_of
from latentguard.guard.choice import windows
from latentguard.guard.fitting_data import FittingData
from latentguard.guard.options import AUTO_METHODS
from latentguard.guard.probe import Method, Probe
from latentguard.lm import LanguageModel

TRAINING_ANSWERS = 200
"""Of each class: a mean over so many answers moves no more, and each costs as many runs as it has tokens."""


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """What is fitted on training answers, at every slot."""

    slots: tuple[int, ...]
    probes: dict[Method, Probe]
    harmfulness: CentroidPair
    refusal: CentroidPair | None
    """None with too few refused answers."""

    def tensors(self, reading: AnswerReading) -> dict[str, Tensor]:
        """Of it, what is kept where this was chosen."""
        probe = self.probes[reading.method].at([self.slots.index(slot) for slot in reading.slots])
        kept = {"answers.weights": probe.weights, "answers.bias": probe.bias}
        kept |= self._centroids("answers.harmfulness", self.harmfulness, reading.slots)
        if self.refusal is not None:
            kept |= self._centroids("answers.refusal", self.refusal, reading.refusal_slots)
        return {name: one.float().contiguous() for name, one in kept.items()}

    def _centroids(self, name: str, clusters: CentroidPair, slots: tuple[int, ...]) -> dict[str, Tensor]:
        index = [self.slots.index(slot) for slot in slots]
        return {f"{name}.positive": clusters.positive[index], f"{name}.negative": clusters.negative[index]}


def fewest_harmless(target_fpr: float) -> int:
    """Harmless answers without which a share of `target_fpr` cannot be promised of the next one."""
    return math.ceil(1 / target_fpr - 1e-9) - 1


def some(data: FittingData, seed: int) -> FittingData:
    """At most `TRAINING_ANSWERS` training prompts of each class, drawn."""
    order = np.random.default_rng(seed).permutation(len(data.train)).tolist()
    drawn = [data.train[number] for number in order]
    classes = ([one for one in drawn if one.label == label] for label in ("harmful", "harmless"))
    return FittingData(tuple(one for part in classes for one in part[:TRAINING_ANSWERS]), data.validation)


def fit_answers(
    model: LanguageModel,
    data: FittingData,
    ordinary: Sequence[Prompt],
    *,
    target_fpr: float,
    tokens: int,
    seed: int,
    folder: Path | None,
    progress: Progress,
) -> tuple[FittedAnswers, dict[str, Tensor]]:
    """The record and its tensors. `ordinary`: more harmless prompts for the thresholds; `folder`: where what
    was read of answers is kept, and found again.

    Raises `TooFewPrompts` where a cell that is needed has too few answers.
    """
    harmful = [one for one in data.validation if one.label == "harmful"]
    harmless = [*(one for one in data.validation if one.label == "harmless"), *ordinary]
    _check_harmless(len(harmless), target_fpr)
    slots = tuple(range(1, model.n_slots))
    means = mean_states(
        model, data.train, slots, folder=folder, progress=staged(progress, "training answers")
    )
    fitted = _fit(means, slots, progress)

    def answers(prompts: Sequence[Prompt], most: int, what: str) -> list[ScoredAnswer]:
        if not prompts:
            return []
        stages = staged(progress, f"validation answers, {what}")
        return scored(
            model,
            prompts,
            fitted.probes,
            fitted.refusal,
            slots,
            max_new_tokens=most,
            folder=folder,
            progress=stages,
        )

    # what an attack wraps is answered as shortly as what is harmful, whatever its label says
    wrapped = [one for one in harmless if one.attack is not None]
    plain = [one for one in harmless if one.attack is None]
    validation = [
        *answers(harmful, MOST_NEW_TOKENS, "harmful"),
        *answers(wrapped, min(tokens, MOST_NEW_TOKENS), "harmless, wrapped"),
        *answers(plain, tokens, "harmless"),
    ]
    _check_validation(validation, fewest_harmless(target_fpr))
    runs = windows(model.n_blocks)
    reading = chosen(validation, slots, runs, target_fpr)
    later = expected(validation, slots, runs, target_fpr, seed)
    record = FittedAnswers(
        method=reading.method,
        slots=reading.slots,
        refusal_slots=reading.refusal_slots,
        refusal_threshold=reading.refusal_threshold,
        high=reading.trigger.high,
        low=reading.trigger.low,
        patience=reading.trigger.patience,
        target_fpr=target_fpr,
        tokens=tokens,
        train=means.counts(),
        validation=_counts(one.cell for one in validation),
        validation_auroc=reading.auroc,
        false_cuts=later.false_cuts,
        caught=later.caught,
        caught_after=later.caught_after,
    )
    return record, fitted.tensors(reading)


def _fit(means: AnswerMeans, slots: tuple[int, ...], progress: Progress) -> _Fitted:
    """Probes and centroids of every slot. Raises `TooFewPrompts` where too few prompts were accepted."""
    counts = means.counts()
    small = [cell for cell in ("accepted_harmful", "accepted_harmless") if counts[cell] < FEWEST]
    if small:
        raise TooFewPrompts(
            f"fewer than {FEWEST} training answers are {' and '.join(small)} ({described(counts)}).\n"
            "  What an accepted harmful answer looks like is learned from such answers: give harmful prompts "
            "that this model answers, wrapped ones say."
        )
    accepted = means.of("accepted_harmful", "accepted_harmless")
    states, harmful = means.states[accepted], means.of("accepted_harmful")[accepted]
    probes: dict[Method, Probe] = {
        method: fit_cells(states, harmful, method, stage=f"fitting {method}", progress=progress)
        for method in AUTO_METHODS
    }
    centroids = {cell: mean_of(means.states, means.of(cell)) for cell in CELLS if counts[cell] >= FEWEST}
    harmfulness = CentroidPair(slots, centroids["accepted_harmful"], centroids["accepted_harmless"])
    refusal = None
    if "refused_harmful" in centroids:
        refusal = CentroidPair(slots, centroids["refused_harmful"], centroids["accepted_harmful"])
    return _Fitted(slots, probes, harmfulness, refusal)


def _check_harmless(n: int, target_fpr: float) -> None:
    fewest = fewest_harmless(target_fpr)
    if n < fewest:
        raise TooFewPrompts(
            f"to cut at most {target_fpr:g} of harmless answers takes {fewest} of them to set the threshold "
            f"on; there are {n} harmless validation prompts.\n"
            "  Give more ordinary prompts, or a larger target."
        )


def _check_validation(answers: Sequence[ScoredAnswer], fewest: int) -> None:
    counts = _counts(one.cell for one in answers)
    harmless = counts["accepted_harmless"] + counts["refused_harmless"]
    accepted = counts["accepted_harmful"], counts["accepted_harmless"]
    if harmless < fewest or min(accepted) < FEWEST:
        raise TooFewPrompts(
            f"the thresholds need {fewest} harmless validation answers that are not empty, and {FEWEST} "
            f"accepted ones of either class; there are {harmless}, and accepted harmful {accepted[0]}, "
            f"harmless {accepted[1]}.\n"
            "  Give more ordinary prompts, and more harmful ones that this model answers."
        )


def _counts(cells: Iterable[Cell]) -> dict[str, int]:
    listed = list(cells)
    return {cell: listed.count(cell) for cell in CELLS}
