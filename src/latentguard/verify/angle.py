"""How far apart are the two directions, and how surely? A bootstrap over the prompts they are fitted on.

    mean over slots 1..L of |cos(v_harm, v_refuse)|,   v = mean of refused harmful - mean of accepted harmless

Each draw takes as many prompts of each cluster with replacement (`beliefs.angle`). Noise in a direction only
adds to an absolute cosine near 0, so there the draws lie above the measured value, and the interval is an
upper one.
"""

from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from latentguard._progress import Progress
from latentguard.beliefs import cosine_by_slot, difference_of_means, drawn_cosines, prompt_states
from latentguard.lm import LanguageModel
from latentguard.verify.fitted import Fitted
from latentguard.verify.line import NOTHING, Line, Measured, line

_RESAMPLES: Final = 1000


def angle_line(model: LanguageModel, fit: Fitted, *, seed: int = 0, progress: Progress) -> Line:
    """Mean |cosine| of the two directions over slots 1..L; `n` counts the prompts that both are fitted on."""
    if fit.reading.unavailable is not None:
        measured, note = NOTHING, fit.reading.unavailable
    else:
        positive, negative = (
            prompt_states(model, prompts, fit.reading.endings, progress=progress)
            for prompts in (fit.refused_harmful, fit.accepted_harmless)
        )
        measured = angle(positive, negative, seed=seed)
        note = "interval and n: the prompts both directions are fitted on"
    return line("mean |cos(v_harm, v_refuse)|, slots 1..L", measured, "<=", 0.30, note=note)


def angle(
    positive: Float[Tensor, "positive position slot hidden"],
    negative: Float[Tensor, "negative position slot hidden"],
    *,
    seed: int = 0,
) -> Measured:
    """Mean |cosine| of the directions at both positions over slots 1..L, with a percentile bootstrap."""
    rng = np.random.default_rng(seed)
    sizes = len(positive), len(negative)
    counts = [rng.multinomial(size, np.full(size, 1 / size), _RESAMPLES) for size in sizes]
    drawn = torch.from_numpy(np.concatenate(counts, axis=1)).float()
    of_positive = torch.arange(sum(sizes)) < sizes[0]
    cosines = drawn_cosines(torch.cat([positive, negative]), of_positive, drawn)[:, 1:]
    low, high = np.quantile(cosines.abs().mean(dim=1).numpy(), (0.025, 0.975))
    measured = mean_absolute_cosine(positive, negative)
    return Measured(measured, (float(low), float(high)), sum(sizes))


def mean_absolute_cosine(
    positive: Float[Tensor, "positive position slot hidden"],
    negative: Float[Tensor, "negative position slot hidden"],
) -> float:
    """In [0, 1]; NaN where a direction is zero at some slot from 1 on."""
    of_positive, of_negative = positive.mean(dim=0), negative.mean(dim=0)
    harm = difference_of_means(of_positive[0], of_negative[0])
    refusal = difference_of_means(of_positive[1], of_negative[1])
    return float(cosine_by_slot(harm, refusal)[1:].abs().mean())
