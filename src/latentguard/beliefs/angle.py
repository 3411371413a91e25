"""How sure is the angle of two directions? Both made anew from draws of the prompts they are fitted on.

    cos(a X, a Y),   a = w+ / sum(w+) - w- / sum(w-)

X and Y are the states of the fitting prompts at t_inst and at t_post_inst, w+ and w- how often a draw takes
each prompt of the positive and of the negative cluster. The slots of one model are no sample of anything, and
a prompt's ending variants are no observations of their own: prompts are drawn.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from latentguard._progress import Progress, silent
from latentguard.data import Endings, Prompt, with_endings
from latentguard.lm import LanguageModel


def prompt_states(
    model: LanguageModel, prompts: Sequence[Prompt], endings: Endings, *, progress: Progress = silent
) -> Float[Tensor, "prompt position slot hidden"]:
    """The state of each prompt at t_inst and t_post_inst: the mean of its ending variants.

    Costs no forward pass where the states of a reading with these endings are remembered.
    """
    variants = [
        (index, one) for index, prompt in enumerate(prompts) for one in with_endings([prompt], endings)
    ]
    return model.means(
        [variant.messages for _, variant in variants],
        [index for index, _ in variants],
        positions=("t_inst", "t_post_inst"),
        progress=progress,
    )


def drawn_cosines(
    states: Float[Tensor, "prompt position slot hidden"],
    positive: Bool[Tensor, " prompt"],
    drawn: Float[Tensor, "resample prompt"],
) -> Float[Tensor, "resample slot"]:
    """Cosine at every slot of the differences of means at t_inst and at t_post_inst in each draw.

    `positive`: which prompts are of the positive cluster; `drawn`: how often a draw takes each prompt, at
    least one of each cluster.
    """
    contrast = _shares(drawn * positive) - _shares(drawn * ~positive)
    # what all prompts share cancels in a difference of means: without it float32 keeps the rest exactly
    rest = states - states.mean(dim=0)
    return torch.stack(
        [
            torch.cosine_similarity(contrast @ rest[:, 0, slot], contrast @ rest[:, 1, slot], dim=1)
            for slot in range(states.shape[2])
        ],
        dim=1,
    )


def _shares(drawn: Float[Tensor, "resample prompt"]) -> Float[Tensor, "resample prompt"]:
    return drawn / drawn.sum(dim=1, keepdim=True)
