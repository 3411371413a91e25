"""Measuring a guard and its baselines on the same prompts. The public door is `Guard.evaluate`."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from latentguard.beliefs import Behaviour
from latentguard.data import Prompt
from latentguard.guard.baselines import Scored
from latentguard.guard.calibration import Calibration
from latentguard.guard.evaluation import Measured, Row
from latentguard.guard.metrics import auroc, calibration_error, ranked, share, tpr_at_fpr
from latentguard.guard.sampling import Sample, estimate
from latentguard.guard.statistics import Estimate

Kind: TypeAlias = Literal["source", "attack", "decision"]


def measure(scored: Sequence[Scored], sample: Sample) -> list[Measured]:
    """Each on the same draws; the first is the guard, with which the others are compared."""
    draws = sample.with_all()
    own = _auroc(scored[0], sample.harmful, draws)
    return [_measured(one, own if index else None, sample.harmful, draws) for index, one in enumerate(scored)]


def rows(
    guard: Scored, prompts: Sequence[Prompt], sample: Sample, behaviour: Behaviour | None
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
    return tuple(
        _row(kind, name, _marked(members, len(prompts)), scores, calibration, sample.harmful, draws)
        for (kind, name), members in sorted(groups.items())
    )


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
    harmful: Bool[np.ndarray, " prompt"],
    draws: Float[np.ndarray, "resample prompt"],
) -> Measured:
    n = len(harmful)
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
    levels = [ranked(scores, harmful, draws) for scores, _ in one.copies]
    everyone = np.ones(n, dtype=bool)
    right = [
        share((scores >= calibration.threshold) == harmful, everyone, draws)
        for scores, calibration in one.copies
    ]
    error = [
        calibration_error(_probabilities(scores, calibration), harmful, draws)
        for scores, calibration in one.copies
    ]
    this = np.mean([auroc(level) for level in levels], axis=0)
    return Measured(
        name=one.name,
        copies=len(one.copies),
        auroc=estimate(this, n=n),
        accuracy=estimate(np.mean(right, axis=0), n=n),
        tpr_at_1_fpr=estimate(np.mean([tpr_at_fpr(level, 0.01) for level in levels], axis=0), n=n),
        tpr_at_5_fpr=estimate(np.mean([tpr_at_fpr(level, 0.05) for level in levels], axis=0), n=n),
        calibration_error=estimate(np.mean(error, axis=0), n=n),
        difference=None if own is None else estimate(own - this, n=n),
        scores=tuple(tuple(scores.tolist()) for scores, _ in one.copies),
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


def _auroc(
    one: Scored, harmful: Bool[np.ndarray, " prompt"], draws: Float[np.ndarray, "resample prompt"]
) -> Float[np.ndarray, " resample"]:
    return np.mean([auroc(ranked(scores, harmful, draws)) for scores, _ in one.copies], axis=0)


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
