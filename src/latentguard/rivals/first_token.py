"""How likely does the reply begin as this model's refusals begin? One forward pass, no belief, no fit.

The tokens that begin a refusal are learned from the model's own judged replies to training prompts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float

from latentguard._progress import Progress
from latentguard.beliefs import Behaviour, observe
from latentguard.causal.refusals import refusal_tokens
from latentguard.data import Prompt, data_hash
from latentguard.guard.fitting_data import FittingData
from latentguard.lm import LanguageModel
from latentguard.rivals.rival import Scorer

ASKED: Final = 50
"""Training prompts of a class whose replies are judged."""


@dataclass(frozen=True, slots=True)
class FirstToken:
    """P(the first token of the reply begins a refusal) of this model."""

    model: LanguageModel
    behaviour: Behaviour | None = None
    """Replies that are known; None asks for some."""

    @property
    def name(self) -> str:
        """What is scored."""
        return "first-token refusal probability"

    @property
    def identity(self) -> str:
        """Whose replies tell refusals: those that were given, or the model's own to training prompts."""
        given = "" if self.behaviour is None else data_hash(self.behaviour.prompts)
        return f"first token {given}"

    def fit(self, data: FittingData, progress: Progress) -> Scorer:
        """Ask for replies to some training prompts. Raises `TooFewPrompts` where none is refused."""
        behaviour = self.behaviour or observe(self.model, asked(data.train), progress=progress)
        tokens = list(refusal_tokens(behaviour).affirmative)

        def scores(prompts: Sequence[Prompt], progress: Progress) -> Float[np.ndarray, " prompt"]:
            last = self.model.n_blocks
            states = self.model.capture(
                [one.messages for one in prompts],
                positions=("t_post_inst",),
                slots=(last,),
                progress=progress,
            )
            logits = self.model.unembed(states.at("t_post_inst")[:, 0]).double()
            # the log of the odds: near 0 and 1 a probability in float32 has ties, and ties cannot be ranked
            chosen = torch.zeros(logits.shape[-1], dtype=torch.bool)
            chosen[tokens] = True
            return (logits[:, chosen].logsumexp(dim=-1) - logits[:, ~chosen].logsumexp(dim=-1)).numpy()

        return scores


def asked(prompts: Sequence[Prompt]) -> list[Prompt]:
    """The first `ASKED` of each class."""
    harmful = [one for one in prompts if one.label == "harmful"]
    harmless = [one for one in prompts if one.label == "harmless"]
    return [*harmful[:ASKED], *harmless[:ASKED]]
