"""Beliefs, directions and behaviour clusters: the formulas of the main paper, and what they are fitted on.

The formulas (`belief`, `layer_scores`, `difference_of_means`, `cosine_by_slot`) are pure functions on
tensors; `observe`, `fit_reading` and `read` run a model.
"""

from latentguard.beliefs.angle import drawn_cosines, prompt_states
from latentguard.beliefs.behaviour import CELLS, Behaviour, Cell, Reply, cell_of, described, observe
from latentguard.beliefs.belief import belief, coinciding, layer_scores
from latentguard.beliefs.clusters import FEWEST, Clusters, clusters
from latentguard.beliefs.directions import (
    Direction,
    cosine_by_slot,
    difference_of_means,
    directions,
    stacked,
)
from latentguard.beliefs.jailbreaks import AttackRow, Jailbroken, Shift, jailbreaks
from latentguard.beliefs.offset import offset_name, shifted
from latentguard.beliefs.reading import Beliefs, Centroids, Reading, fit_reading, read

__all__ = [
    "CELLS",
    "FEWEST",
    "AttackRow",
    "Behaviour",
    "Beliefs",
    "Cell",
    "Centroids",
    "Clusters",
    "Direction",
    "Jailbroken",
    "Reading",
    "Reply",
    "Shift",
    "belief",
    "cell_of",
    "clusters",
    "coinciding",
    "cosine_by_slot",
    "described",
    "difference_of_means",
    "directions",
    "drawn_cosines",
    "fit_reading",
    "jailbreaks",
    "layer_scores",
    "observe",
    "offset_name",
    "prompt_states",
    "read",
    "shifted",
    "stacked",
]
