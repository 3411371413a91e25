"""How surely are two directions at an angle? Both made anew from draws of the prompts they are fitted on.

    cos(a X, a Y),   a = w+ / sum(w+) - w- / sum(w-)

X and Y are the states of the fitting prompts at t_inst and at t_post_inst, w+ and w- how often a draw takes
each refused harmful and each accepted harmless prompt. Pairs are drawn together (`guard.sampling`).
"""

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from latentguard._progress import Progress
from latentguard.beliefs import Behaviour, clusters
from latentguard.data import Endings, Prompt, with_endings
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
    states = _states(model, prompts, endings, progress)
    contrast = _shares(drawn * refused) - _shares(drawn * ~refused)
    return torch.stack(
        [drawn_cosines(states[:, 0, slot], states[:, 1, slot], contrast) for slot in range(states.shape[2])],
        dim=1,
    )


def drawn_cosines(
    first: Float[Tensor, "prompt hidden"],
    second: Float[Tensor, "prompt hidden"],
    contrast: Float[Tensor, "resample prompt"],
) -> Float[Tensor, " resample"]:
    """Cosine of the two differences of means in each draw; every row of `contrast` adds up to 0."""
    # what all prompts share cancels in a difference of means: without it float32 keeps the rest exactly
    along, against = (contrast @ (states - states.mean(dim=0)) for states in (first, second))
    return torch.cosine_similarity(along, against, dim=1)


def _states(
    model: LanguageModel, prompts: list[Prompt], endings: Endings, progress: Progress
) -> Float[Tensor, "prompt position slot hidden"]:
    """Of each prompt the mean over its ending variants, which are no observations of their own."""
    variants = [
        (index, one) for index, prompt in enumerate(prompts) for one in with_endings([prompt], endings)
    ]
    return model.means(
        [variant.messages for _, variant in variants],
        [index for index, _ in variants],
        positions=("t_inst", "t_post_inst"),
        progress=progress,
    )


def _shares(drawn: Float[Tensor, "resample prompt"]) -> Float[Tensor, "resample prompt"]:
    return drawn / drawn.sum(dim=1, keepdim=True)
