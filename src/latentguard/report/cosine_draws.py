"""The cosine of both directions in draws of their fitting prompts; pairs go together (`guard.sampling`)."""

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from latentguard._progress import Progress
from latentguard.beliefs import Behaviour, clusters, drawn_cosines, prompt_states
from latentguard.data import Endings
from latentguard.guard.sampling import Sample
from latentguard.lm import LanguageModel

RESAMPLES: Final = 1000


def cosine_draws(
    model: LanguageModel, train: Behaviour, *, endings: Endings, seed: int = 0, progress: Progress
) -> Float[Tensor, "resample slot"] | None:
    """The cosine of both directions at every slot in each draw; None where there is no refusal direction.

    Costs no forward pass where the states of a reading with these endings are remembered.
    """
    found = clusters(train)
    if found.too_few is not None:
        return None
    prompts = [train.prompts[index] for index in (*found.refused_harmful, *found.accepted_harmless)]
    refused = torch.arange(len(prompts)) < len(found.refused_harmful)
    drawn = torch.from_numpy(Sample.of(prompts, resamples=RESAMPLES, seed=seed).draws).float()
    return drawn_cosines(prompt_states(model, prompts, endings, progress=progress), refused, drawn)
