"""ROC curves as few points: exact for one score, for several the mean at equal false-positive rates."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from latentguard.report.schema import Curve
from latentguard.statistics import metrics

_GRID: Final = 51


def roc_curve(copies: Sequence[Sequence[float]], harmful: Sequence[bool]) -> Curve:
    """The ROC curve of one score, or the mean true-positive rate of several at each false-positive rate."""
    labels = np.array(harmful, dtype=bool)
    curves = [metrics.roc_points(metrics.ranked(np.array(copy, dtype=float), labels)) for copy in copies]
    if len(curves) == 1:
        return _corners(*curves[0])
    grid = np.linspace(0, 1, _GRID)
    # at a vertical run interp takes its last point, the highest true-positive rate
    mean = np.mean([np.interp(grid, fpr, tpr) for fpr, tpr in curves], axis=0)
    fpr, tpr = np.r_[0.0, grid], np.r_[0.0, mean]
    return Curve(false_positive_rate=tuple(fpr.tolist()), true_positive_rate=tuple(tpr.tolist()))


def _corners(fpr: "np.ndarray", tpr: "np.ndarray") -> Curve:
    """The same line without the points that lie on a horizontal or vertical run."""
    flat = (fpr[1:-1] == fpr[:-2]) & (fpr[1:-1] == fpr[2:])
    flat |= (tpr[1:-1] == tpr[:-2]) & (tpr[1:-1] == tpr[2:])
    kept = np.r_[True, ~flat, True]
    return Curve(false_positive_rate=tuple(fpr[kept].tolist()), true_positive_rate=tuple(tpr[kept].tolist()))
