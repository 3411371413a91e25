"""Measuring a guard and its baselines on the same prompts. The public door is `Guard.evaluate`."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from latentguard._progress import Progress
from latentguard.beliefs import Behaviour
from latentguard.data import Prompt
from latentguard.guard.baselines import Scored
from latentguard.guard.calibration import Calibration
from latentguard.guard.evaluation import Measured, Row
from latentguard.guard.sampling import Sample, estimate
from latentguard.statistics import Estimate
from latentguard.statistics.metrics import auroc, calibration_error, ranked, share, tpr_at_fpr

Kind: TypeAlias = Literal["source", "attack", "decision"]


def measure(scored: Sequence[Scored], sample: Sample, *, progress: Progress) -> list[Measured]:
    """Each on the same draws; the first is the guard, with which the others are compared.

    A draw resamples the prompts and, of what was fitted several times (permuted labels, untrained copies),
    the copies too: the interval of the difference to them holds the luck of both. A value is the mean over
    the copies.
    """
    draws = sample.with_all()
    own = auroc(ranked(scored[0].copies[0][0], sample.harmful, draws))
    found: list[Measured] = []
    for one in scored:
        found.append(_measured(one, own if found else None, sample, draws))
        progress("measuring", len(found), len(scored))
    return found


def rows(
    guard: Scored,
    prompts: Sequence[Prompt],
    sample: Sample,
    behaviour: Behaviour | None,
    *,
    progress: Progress,
) -> tuple[Row, ...]:
    """One row a source, one an attack, and, where behaviour is known, one a decision."""
    draws = sample.with_all()
    scores, calibration = guard.copies[0]
    groups: dict[tuple[Kind, str], list[int]] = {}
    decisions = _decisions(behaviour)
    for index, prompt in enumerate(prompts):
        if prompt.source is not None:
            groups.setdefault(("source", prompt.source), []).append(index)
        if prompt.attack is not None:
            groups.setdefault(("attack", prompt.attack), []).append(index)
        if prompt in decisions:
            groups.setdefault(("decision", decisions[prompt]), []).append(index)
    found: list[Row] = []
    for (kind, name), members in sorted(groups.items()):
        marked = _marked(members, len(prompts))
        found.append(_row(kind, name, marked, scores, calibration, sample.harmful, draws))
        progress("measuring sources, attacks and decisions", len(found), len(groups))
    return tuple(found)


def statement(untrained: Measured | None, *, knows_its_prompts: bool) -> tuple[bool | None, str]:
    """What `above_untrained` finds, and the sentence that must stand beside the guard's figures."""
    above, said = above_untrained(untrained)
    if not knows_its_prompts:
        said += "; it does not tell which prompts it was fitted on, and some of these may be among them"
    return above, said


def above_untrained(untrained: Measured | None) -> tuple[bool | None, str]:
    """Whether the guard beats its untrained copies, and the sentence that says so."""
    if untrained is None or untrained.difference is None or untrained.difference.low is None:
        why = untrained.unavailable if untrained is not None else "none was fitted"
        return None, f"not compared with an untrained copy of this model ({why})"
    difference = untrained.difference
    shown = f"AUROC difference {difference}, {untrained.copies} copies"
    if untrained.difference.low > 0:
        return True, f"above an untrained copy of this model ({shown})"
    return False, f"not above an untrained copy of this model ({shown})"


def _measured(
    one: Scored,
    own: Float[np.ndarray, " resample"] | None,
    sample: Sample,
    draws: Float[np.ndarray, "resample prompt"],
) -> Measured:
    n = len(sample.harmful)
    if not one.copies:
        nothing = Estimate(value=None, n=n)
        return Measured(
            name=one.name,
            copies=0,
            auroc=nothing,
            accuracy=nothing,
            tpr_at_1_fpr=nothing,
            tpr_at_5_fpr=nothing,
            calibration_error=nothing,
            difference=None,
            unavailable=one.unavailable,
        )
    of_copies = [_figures(scores, calibration, sample.harmful, draws) for scores, calibration in one.copies]
    area, right, caught_1, caught_5, error = (
        sample.over_copies(np.stack(figure)) for figure in zip(*of_copies, strict=True)
    )
    return Measured(
        name=one.name,
        copies=len(one.copies),
        auroc=estimate(area, n=n),
        accuracy=estimate(right, n=n),
        tpr_at_1_fpr=estimate(caught_1, n=n),
        tpr_at_5_fpr=estimate(caught_5, n=n),
        calibration_error=estimate(error, n=n),
        difference=None if own is None else estimate(own - area, n=n),
        scores=tuple(tuple(scores.tolist()) for scores, _ in one.copies),
    )


def _figures(
    scores: Float[np.ndarray, " prompt"],
    calibration: Calibration,
    harmful: Bool[np.ndarray, " prompt"],
    draws: Float[np.ndarray, "resample prompt"],
) -> tuple[Float[np.ndarray, " resample"], ...]:
    """AUROC, accuracy, TPR at 1 % and at 5 % FPR, and calibration error of one fit."""
    levels = ranked(scores, harmful, draws)
    right = (scores >= calibration.threshold) == harmful
    return (
        auroc(levels),
        share(right, np.ones(len(harmful), dtype=bool), draws),
        tpr_at_fpr(levels, 0.01),
        tpr_at_fpr(levels, 0.05),
        calibration_error(_probabilities(scores, calibration), harmful, draws),
    )


def _row(
    kind: Kind,
    name: str,
    members: Bool[np.ndarray, " prompt"],
    scores: Float[np.ndarray, " prompt"],
    calibration: Calibration,
    harmful: Bool[np.ndarray, " prompt"],
    draws: Float[np.ndarray, "resample prompt"],
) -> Row:
    positives, negatives = members & harmful, members & ~harmful
    flagged = scores >= calibration.threshold
    against: Literal["own", "all harmless", "all harmful"] = "own"
    compared = members
    if not negatives.any():
        against, compared = "all harmless", members | ~harmful
    elif not positives.any():
        against, compared = "all harmful", members | harmful
    ranks = auroc(ranked(scores[compared], harmful[compared], draws[:, compared]))
    n_positive, n_negative = int(positives.sum()), int(negatives.sum())
    return Row(
        kind=kind,
        name=name,
        n_harmful=n_positive,
        n_harmless=n_negative,
        true_positive_rate=estimate(share(flagged, positives, draws), n=n_positive),
        false_positive_rate=estimate(share(flagged, negatives, draws), n=n_negative),
        auroc=estimate(ranks, n=int(compared.sum())),
        against=against,
    )


def _probabilities(
    scores: Float[np.ndarray, " prompt"], calibration: Calibration
) -> Float[np.ndarray, " prompt"]:
    return np.array([calibration.probability(score) for score in scores.tolist()])


def _decisions(behaviour: Behaviour | None) -> dict[Prompt, str]:
    if behaviour is None:
        return {}
    return {
        prompt: "refused" if reply.refused else "accepted"
        for prompt, reply in zip(behaviour.prompts, behaviour.replies, strict=True)
        if not reply.empty
    }


def _marked(members: list[int], n: int) -> Bool[np.ndarray, " prompt"]:
    marked = np.zeros(n, dtype=bool)
    marked[members] = True
    return marked
