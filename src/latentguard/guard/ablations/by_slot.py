"""The harmfulness belief at every slot alone, and over all of them as the paper takes it."""

import numpy as np
import torch

from latentguard._progress import Progress, silent
from latentguard.beliefs import layer_scores
from latentguard.data import Endings, Split, with_endings
from latentguard.errors import TooFewPrompts
from latentguard.guard.ablations.record import SlotRow
from latentguard.guard.sampling import RESAMPLES, Sample, estimate
from latentguard.lm import LanguageModel
from latentguard.statistics import Estimate, metrics


def by_slot(
    model: LanguageModel,
    data: Split,
    *,
    endings: Endings = "balanced",
    seed: int = 0,
    progress: Progress = silent,
) -> list[SlotRow]:
    """The harmfulness belief at t_inst, fitted on labels of the training prompts: every slot, then all."""
    train = with_endings([one for one in data.train if one.label is not None], endings)
    groups = [0 if one.label == "harmful" else 1 for one in train]
    if set(groups) != {0, 1}:
        raise TooFewPrompts("a belief is fitted on both classes, and the training prompts have one.")
    test = [one for one in data.test if one.label is not None]
    sample = Sample.of(test, resamples=RESAMPLES, seed=seed)
    means = model.means([one.messages for one in train], groups, progress=progress)[:, 0]
    states = model.capture([one.messages for one in test], progress=progress).at("t_inst")
    scores = layer_scores(states, means[0], means[1])
    rows = [
        SlotRow(slot=slot, auroc=_auroc(sample, scores[:, slot], len(test))) for slot in range(model.n_slots)
    ]
    everywhere = torch.nanmean(scores[:, 1:], dim=1)
    return [*rows, SlotRow(slot=None, auroc=_auroc(sample, everywhere, len(test)))]


def _auroc(sample: Sample, scores: torch.Tensor, n: int) -> Estimate:
    ranked = metrics.ranked(scores.double().numpy(), sample.harmful, sample.with_all())
    return estimate(np.asarray(metrics.auroc(ranked)), n=n)
