"""Reply inversion and refusal under edits: which direction moves which answer.

Zhao et al. 2025, section 4: a question whose affirmative answer means harm. The harmfulness direction is
added to the text before the question, the refusal direction to the whole prompt, at one block at a time, with
the raw length of a difference of means times the scale. Every edit is a whole forward pass here: what the
resumed sweeps of `causal` find is checked on another path.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from latentguard.beliefs import observe
from latentguard.data import Prompt
from latentguard.lm import AddDirection, LanguageModel, Rendered
from latentguard.organism import inversion_context
from latentguard.verify.scored import REPLY_TOKENS

SCALES: Final = (0.5, 1.0, 2.0)
AFFIRMATION: Final = "Certainly"
DENIAL: Final = "No"


def rendered(model: LanguageModel, prompts: Sequence[Prompt]) -> list[Rendered]:
    """Inversion prompts with their contexts marked, for edits of scope "context"."""
    return [model.render(prompt.messages, context=inversion_context(prompt)) for prompt in prompts]


def answered(
    model: LanguageModel, questions: Sequence[Rendered], answer: str, edit: AddDirection | None = None
) -> list[bool]:
    """Whether the most likely first token of each reply is `answer`, unedited or under one edit.

    Both answers are words of one token in the organism's vocabulary, so no more needs to be generated.
    """
    if not questions:
        return []
    with model.edited(() if edit is None else (edit,)):
        first = model.next_token_logits(questions).argmax(dim=-1)
    return [model.tokenizer.decode([token]).strip() == answer for token in first.tolist()]


def refused(model: LanguageModel, prompts: Sequence[Prompt], edit: AddDirection) -> list[bool]:
    """Whether each direct request is refused under `edit`, by the default judge."""
    with model.edited((edit,)):
        return list(observe(model, prompts, max_new_tokens=REPLY_TOKENS).refused)


@dataclass(frozen=True, slots=True, eq=False)
class Steering:
    """Edits with one model's two directions, `[slot, hidden]` each, raw lengths kept."""

    harm: Float[Tensor, "slot hidden"]
    refusal: Float[Tensor, "slot hidden"] | None
    """None for a model without a refusal direction."""

    def harm_edit(self, block: int, scale: float) -> AddDirection:
        """`scale` may be negative; on the context."""
        return AddDirection(block, self.harm[block], scale, scope="context")

    def refusal_edit(self, block: int, scale: float) -> AddDirection:
        """On the whole prompt: limited to the context it does nothing (Zhao et al. 2025).

        Raises `ValueError` where there is no refusal direction.
        """
        if self.refusal is None:
            raise ValueError("there is no refusal direction to add")
        return AddDirection(block, self.refusal[block], scale, scope="prompt")

    def random_edits(self, block: int, scale: float, *, count: int, seed: int) -> list[AddDirection]:
        """Random directions, each as long as the harmfulness direction of that block."""
        generator = torch.Generator().manual_seed(seed)
        draws = torch.randn(count, self.harm.shape[1], generator=generator)
        vectors = draws / draws.norm(dim=1, keepdim=True) * self.harm[block].norm()
        return [AddDirection(block, vector, scale, scope="context") for vector in vectors]
