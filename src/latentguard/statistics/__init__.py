"""Values with intervals, and how well scores tell two classes: what several rooms measure with.

It knows numbers alone: no prompt, no model.
"""

from latentguard.statistics.estimate import Estimate
from latentguard.statistics.means import column_means, mean
from latentguard.statistics.ranking import auroc
from latentguard.statistics.shares import share
from latentguard.statistics.wilson import wilson

__all__ = ["Estimate", "auroc", "column_means", "mean", "share", "wilson"]
