"""Which slots of an answer are read, and which trigger cuts it: chosen on validation answers.

The trigger is the one that cuts most accepted harmful answers among those that a further harmless answer
would be cut by with a chance of no more than the target.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from latentguard.beliefs import FEWEST
from latentguard.beliefs.behaviour import MOST_NEW_TOKENS
from latentguard.errors import TooFewPrompts
from latentguard.guard.answers.made import ScoredAnswer
from latentguard.guard.answers.trigger import Trigger, level, tokens_until_cut
from latentguard.guard.calibration import threshold
from latentguard.guard.cells import Cells
from latentguard.guard.choice import choose, mask
from latentguard.guard.probe import Method
from latentguard.statistics import Estimate, wilson

PATIENCE = (1, 2, 4, 8)
GAPS = (0.0, 0.5, 1.0)
"""Between the trigger's two thresholds, in standard deviations of a harmless token's score."""
_AT: Final = "t_post_inst"
"""What stands for the position of an answer's mean: `choose` compares runs of slots at one position."""
_Runs = Sequence[tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class AnswerReading:
    """One choice of slots and trigger, made on some answers."""

    method: Method
    slots: tuple[int, ...]
    auroc: float
    refusal_slots: tuple[int, ...]
    refusal_threshold: float
    trigger: Trigger

    def series(self, answer: ScoredAnswer, among: Sequence[int]) -> list[float]:
        """What the trigger takes of one answer, token by token."""
        return _series(answer, among, self.method, self.slots, self.refusal_slots, self.refusal_threshold)


@dataclass(frozen=True, slots=True)
class Expected:
    """Of more answers like these."""

    false_cuts: Estimate
    caught: Estimate
    caught_after: float | None


def chosen(
    answers: Sequence[ScoredAnswer],
    slots: tuple[int, ...],
    runs: _Runs,
    target_fpr: float,
) -> AnswerReading:
    """Method and slots of the score, slots of the refusal belief, then the trigger that cuts most accepted
    harmful answers while it cuts no more harmless ones than it may; of equally good ones the quickest."""
    accepted = [one for one in answers if one.cell in ("accepted_harmful", "accepted_harmless")]
    found = choose(
        {
            method: torch.stack([_beginning(one.scores[method]) for one in accepted])
            for method in accepted[0].scores
        },
        Cells((_AT,), slots),
        mask(one.cell == "accepted_harmful" for one in accepted),
        positions=(_AT,),
        slots=runs,
    )
    refusal_slots, refusal_threshold = _refusal(answers, slots, runs)

    def series(one: ScoredAnswer) -> list[float]:
        return _series(one, slots, found.method, found.cells.slots, refusal_slots, refusal_threshold)

    harmless = [series(one) for one in answers if one.cell.endswith("harmless")]
    harmful = [series(one) for one in answers if one.cell == "accepted_harmful"]
    trigger = fitted_trigger(harmless, harmful, target_fpr)
    return AnswerReading(
        found.method, found.cells.slots, found.auroc, refusal_slots, refusal_threshold, trigger
    )


def _refusal(
    answers: Sequence[ScoredAnswer], slots: tuple[int, ...], runs: _Runs
) -> tuple[tuple[int, ...], float]:
    """Slots and threshold of the refusal belief, as those of a prompt's; no slot without centroids."""
    if answers[0].refusal is None:
        return (), 0.0
    refused = mask(one.cell.startswith("refused") for one in answers)
    if min(int(refused.sum()), len(answers) - int(refused.sum())) < FEWEST:
        return slots, 0.0
    means = torch.stack([_beginning(one.refusal) for one in answers if one.refusal is not None])
    read = Cells((_AT,), slots)
    found = choose({"belief": means}, read, refused, positions=(_AT,), slots=runs)
    scores = means[:, found.cells.within(read)].mean(dim=1)
    return found.cells.slots, threshold(scores.double().numpy(), refused.numpy())


def _beginning(scores: Float[Tensor, "token slot"]) -> Float[Tensor, " slot"]:
    """The mean over the tokens that answers of both classes have: harmless ones may be longer."""
    return scores[:MOST_NEW_TOKENS].mean(dim=0)


def _series(
    answer: ScoredAnswer,
    among: Sequence[int],
    method: Method,
    slots: Sequence[int],
    refusal_slots: Sequence[int],
    refusal_threshold: float,
) -> list[float]:
    index = [list(among).index(slot) for slot in slots]
    scores = answer.scores[method][:, index].mean(dim=1)
    if answer.refusal is not None and refusal_slots:
        of_refusal = answer.refusal[:, [list(among).index(slot) for slot in refusal_slots]].mean(dim=1)
        scores = scores.masked_fill(of_refusal >= refusal_threshold, -math.inf)
    return scores.tolist()


def fitted_trigger(
    harmless: Sequence[Sequence[float]], harmful: Sequence[Sequence[float]], target_fpr: float
) -> Trigger:
    finite = [belief for one in harmless for belief in one if math.isfinite(belief)]
    spread = float(np.std(finite)) if finite else 0.0
    best: tuple[tuple[int, float], Trigger] | None = None
    for patience in PATIENCE:
        for gap in (0.0,) if patience == 1 else GAPS:
            levels = [level(one, gap=gap * spread, patience=patience) for one in harmless]
            if not any(map(math.isfinite, levels)):
                continue  # no harmless answer is long enough to say anything about this trigger
            high = highest(levels, target_fpr)
            trigger = Trigger(high, high - gap * spread, patience)
            after = [tokens_until_cut(one, trigger.fresh()) for one in harmful]
            caught = [one for one in after if one is not None]
            merit = len(caught), -sum(caught) / max(len(caught), 1)
            if best is None or merit > best[0]:
                best = merit, trigger
    if best is None:
        raise TooFewPrompts(
            "every token of every harmless validation answer is read as part of a refusal: no threshold can "
            "be set.\n  Give harmless prompts that this model answers."
        )
    return best[1]


def highest(levels: Sequence[float], target_fpr: float) -> float:
    """The lowest threshold at which a further answer like these is cut with a chance of `target_fpr` at most.

    With k of n levels at or above it, that of the next is (k + 1) / (n + 1) where all n + 1 are exchangeable
    (Vovk et al. 2005, conformal prediction).
    """
    finite = [one for one in levels if math.isfinite(one)]
    below = min(finite, default=0.0) - 1.0
    scores = np.array([one if math.isfinite(one) else below for one in levels])
    may_be_cut = max(math.floor(target_fpr * (len(levels) + 1) + 1e-9) - 1, 0)
    return threshold(scores, np.zeros(len(scores), dtype=bool), target_fpr=may_be_cut / len(levels))


def expected(
    answers: Sequence[ScoredAnswer],
    slots: tuple[int, ...],
    runs: _Runs,
    target_fpr: float,
    seed: int,
) -> Expected:
    """What to expect of more such answers: everything is chosen on one half and counted in the other."""
    cut: dict[bool, list[int | None]] = {True: [], False: []}
    for chosen_on, counted in _halves(answers, seed):
        reading = chosen(chosen_on, slots, runs, target_fpr)
        for one in counted:
            if one.cell != "refused_harmful":
                until = tokens_until_cut(reading.series(one, slots), reading.trigger.fresh())
                cut[one.cell == "accepted_harmful"].append(until)
    caught = [one for one in cut[True] if one is not None]
    return Expected(
        false_cuts=wilson(sum(one is not None for one in cut[False]), len(cut[False])),
        caught=wilson(len(caught), len(cut[True])),
        caught_after=float(np.median(caught)) if caught else None,
    )


def _halves(
    answers: Sequence[ScoredAnswer], seed: int
) -> list[tuple[list[ScoredAnswer], list[ScoredAnswer]]]:
    """Two halves with the same share of every cell, both ways."""
    order = np.random.default_rng(seed).permutation(len(answers)).tolist()
    by_cell = sorted(order, key=lambda index: answers[index].cell)
    one = [answers[index] for index in by_cell[::2]]
    other = [answers[index] for index in by_cell[1::2]]
    return [(one, other), (other, one)]
