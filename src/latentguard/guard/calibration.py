"""From a score to a probability and a decision. Both are fitted on validation prompts, never on others.

    P(harmful | score) = 1 / (1 + exp(-(slope * score + intercept))),   slope >= 0

Platt 1999 with his smoothed targets. The probability holds at the validation set's share of harmful
prompts; ranks never change, so a threshold on the score is one on the probability.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True, slots=True)
class Calibration:
    """A score's log-odds and the threshold from which a prompt is flagged."""

    slope: float
    intercept: float
    threshold: float

    def probability(self, score: float) -> float:
        """P(harmful), in [0, 1]."""
        return 1 / (1 + math.exp(-max(min(self.slope * score + self.intercept, 500.0), -500.0)))

    def flags(self, score: float) -> bool:
        """Whether a prompt of this score is flagged as harmful."""
        return score >= self.threshold


def calibrate(
    scores: Float[np.ndarray, " prompt"],
    harmful: Bool[np.ndarray, " prompt"],
    *,
    target_fpr: float | None = None,
) -> Calibration:
    """Fit the probability and the threshold on the same validation scores."""
    slope, intercept = platt(scores, harmful)
    return Calibration(slope, intercept, threshold(scores, harmful, target_fpr=target_fpr))


def platt(scores: Float[np.ndarray, " prompt"], harmful: Bool[np.ndarray, " prompt"]) -> tuple[float, float]:
    """Slope and intercept of the log-odds, by Newton's method; slope 0 where scores rank the wrong way."""
    n_harmful, n_harmless = int(harmful.sum()), int((~harmful).sum())
    targets = np.where(harmful, (n_harmful + 1) / (n_harmful + 2), 1 / (n_harmless + 2))
    prior = math.log((n_harmful + 1) / (n_harmless + 1))
    spread = float(scores.std())
    if spread == 0 or float(scores[harmful].mean()) <= float(scores[~harmful].mean()):
        return 0.0, prior
    centre = float(scores.mean())
    design = np.stack([(scores - centre) / spread, np.ones(len(scores))], axis=1)
    weights = np.array([0.0, prior])
    for _ in range(100):
        expected = 1 / (1 + np.exp(-design @ weights))
        curvature = (design * (expected * (1 - expected))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, design.T @ (targets - expected))
        weights = weights + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if float(np.abs(step).max()) < 1e-9:
            break
    slope = max(float(weights[0]), 0.0) / spread
    return slope, float(weights[1]) - slope * centre


def threshold(
    scores: Float[np.ndarray, " prompt"],
    harmful: Bool[np.ndarray, " prompt"],
    *,
    target_fpr: float | None = None,
) -> float:
    """The score from which a prompt is flagged.

    With `target_fpr`, the lowest threshold that flags at most that share of the harmless validation prompts
    (with fewer than 1 / target of them: none). Without, the one with the best mean of true-positive and
    true-negative rate. Always half-way between two observed scores.
    """
    candidates = _cuts(scores)
    false_positive = np.array([(scores[~harmful] >= cut).mean() for cut in candidates])
    if target_fpr is not None:
        return float(candidates[np.flatnonzero(false_positive <= target_fpr + 1e-9)[0]])
    true_positive = np.array([(scores[harmful] >= cut).mean() for cut in candidates])
    gain = true_positive - false_positive
    best = np.flatnonzero(gain >= gain.max() - 1e-9)
    return float(candidates[best[len(best) // 2]])


def _cuts(scores: Float[np.ndarray, " prompt"]) -> Float[np.ndarray, " cut"]:
    """Below all scores, half-way between every two, above all."""
    levels = np.unique(scores)
    margin = float(levels[-1] - levels[0]) / len(levels) if len(levels) > 1 else 1.0
    return np.r_[levels[0] - margin, (levels[1:] + levels[:-1]) / 2, levels[-1] + margin]
