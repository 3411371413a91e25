"""Belief by slot for the verdict classes: layer scores of test prompts under centroids of fitting prompts."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from latentguard.beliefs import CELLS, Beliefs, Reading
from latentguard.report.intervals import finite, mean_interval
from latentguard.report.schema import Band, Cell, SlotPanel

_BY_BEHAVIOUR = "refused harmful against accepted harmless prompts"
_BY_LABEL = "all harmful against all harmless prompts, by label"


def slot_panels(
    reading: Reading, beliefs: Beliefs, cells: Mapping[Cell, Sequence[int]]
) -> tuple[SlotPanel, SlotPanel]:
    """The panels of both positions; that of t_post_inst gives its reason where there is no refusal belief.

    `cells` holds, for each verdict class, indices into the prompts that `beliefs` were read from.
    """
    clusters = _BY_BEHAVIOUR if reading.basis == "behaviour" else _BY_LABEL
    harmfulness = reading.harmfulness
    at_inst = SlotPanel(
        position="t_inst",
        endings=reading.endings,
        clusters=clusters,
        slots=tuple(range(beliefs.harmfulness_by_slot.shape[1])),
        bands=_bands(beliefs.harmfulness_by_slot, cells),
        n_positive=harmfulness.n_positive,
        n_negative=harmfulness.n_negative,
    )
    scores = beliefs.refusal_by_slot
    if scores is None:
        no_panel = SlotPanel(
            position="t_post_inst",
            endings=reading.endings,
            clusters=_BY_BEHAVIOUR,
            n_positive=reading.counts.get("refused_harmful", 0),
            n_negative=reading.counts.get("accepted_harmless", 0),
            slots=(),
            bands=(),
            reason=f"{reading.unavailable}.",
        )
        return at_inst, no_panel
    at_post_inst = SlotPanel(
        position="t_post_inst",
        endings=reading.endings,
        clusters=clusters,
        slots=tuple(range(scores.shape[1])),
        bands=_bands(scores, cells),
        n_positive=harmfulness.n_positive,
        n_negative=harmfulness.n_negative,
    )
    return at_inst, at_post_inst


def _bands(scores: Float[Tensor, "prompt slot"], cells: Mapping[Cell, Sequence[int]]) -> tuple[Band, ...]:
    return tuple(_band(cell, scores[list(cells[cell])]) for cell in CELLS)


def _band(cell: Cell, scores: Float[Tensor, "prompt slot"]) -> Band:
    n, slots = scores.shape
    nothing: tuple[None, ...] = (None,) * slots
    if n == 0:
        return Band(cell=cell, n=0, mean=nothing, low=nothing, high=nothing)
    if n == 1:
        return Band(cell=cell, n=1, mean=finite(torch.as_tensor(scores[0])), low=nothing, high=nothing)
    mean, low, high = mean_interval(scores)
    return Band(cell=cell, n=n, mean=finite(mean), low=finite(low), high=finite(high))
