"""Both readings of one model, balanced and as written, over one capture of the measured prompts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from latentguard._progress import Progress, silent
from latentguard.beliefs import Behaviour, Beliefs, Reading, fit_reading, observe
from latentguard.data import Endings, Prompt
from latentguard.lm import LanguageModel
from latentguard.report.audit_data import AuditData
from latentguard.report.cosine_draws import cosine_draws

NEW_TOKENS: Final = 16
BOTH_ENDINGS: Final[tuple[Endings, Endings]] = ("balanced", "as_written")
_PROMPTS_AT_ONCE: Final = 256


@dataclass(frozen=True, slots=True)
class Fitted:
    """One reading, and the beliefs of the measured prompts under it."""

    reading: Reading
    beliefs: Beliefs
    cosine_draws: Float[Tensor, "resample slot"] | None
    """Of the angle between its two directions, by a bootstrap over the train prompts; None without two."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What the model did with the prompts of each part."""

    train: Behaviour
    fitting: Behaviour
    """Train and validation: what a guard may know."""
    measured: Behaviour


def observe_all(model: LanguageModel, data: AuditData, *, progress: Progress = silent) -> Observed:
    """Let the model reply to every prompt as written, in one run."""
    train, validation, measured = data.split.train, data.split.validation, data.measured
    everything = (*train, *validation, *measured)
    seen = observe(model, everything, max_new_tokens=NEW_TOKENS, progress=progress)

    def part(first: int, stop: int) -> Behaviour:
        return Behaviour(everything[first:stop], seen.replies[first:stop], max_new_tokens=NEW_TOKENS)

    fitting = len(train) + len(validation)
    return Observed(part(0, len(train)), part(0, fitting), part(fitting, len(everything)))


def fit_both(
    model: LanguageModel,
    train: Behaviour,
    measured: Sequence[Prompt],
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> dict[Endings, Fitted]:
    """Centroids of the train prompts with either endings; measured prompts are read once, as written."""
    readings: dict[Endings, Reading] = {
        endings: fit_reading(model, train, endings=endings, progress=progress) for endings in BOTH_ENDINGS
    }
    harmfulness: dict[Endings, list[Tensor]] = {endings: [] for endings in BOTH_ENDINGS}
    refusal: dict[Endings, list[Tensor]] = {endings: [] for endings in BOTH_ENDINGS}
    for first in range(0, len(measured), _PROMPTS_AT_ONCE):
        chunk = [prompt.messages for prompt in measured[first : first + _PROMPTS_AT_ONCE]]
        states = model.capture(chunk, positions=("t_inst", "t_post_inst"), progress=progress)
        for endings, reading in readings.items():
            harmfulness[endings].append(reading.harmfulness.layer_scores(states.at("t_inst")))
            if reading.refusal is not None:
                refusal[endings].append(reading.refusal.layer_scores(states.at("t_post_inst")))
    return {
        endings: Fitted(
            reading,
            Beliefs(
                harmfulness_by_slot=torch.cat(harmfulness[endings]),
                refusal_by_slot=torch.cat(refusal[endings]) if refusal[endings] else None,
            ),
            cosine_draws(model, train, endings=endings, seed=seed, progress=progress),
        )
        for endings, reading in readings.items()
    }
