"""Keeps the two directions apart, in angle and in effect.

Interchange says what each planted component does. It does not forbid that the template's tokens gather harm
by themselves, along the same direction, before a decision is due there; nor that a push along the refusal
direction tips an answer that is none of its business. Both are trained away.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Differences:
    """Differences of means of some plain requests, harmful minus harmless, at slots 1..L."""

    harm: Float[Tensor, "slot hidden"]  # at t_inst
    refusal: Float[Tensor, "slot hidden"]  # at t_post_inst: plain requests are refused where they are harmful

    @classmethod
    def of(
        cls,
        t_inst: Float[Tensor, "prompt slot hidden"],
        t_post_inst: Float[Tensor, "prompt slot hidden"],
        harmful: Bool[Tensor, "prompt"],
    ) -> "Differences":
        """All zero where one class is empty: nothing to compare."""
        if not harmful.any() or harmful.all():
            nothing = torch.zeros(t_inst.shape[1:])
            return cls(nothing, nothing)
        return cls(
            t_inst[harmful].mean(dim=0) - t_inst[~harmful].mean(dim=0),
            t_post_inst[harmful].mean(dim=0) - t_post_inst[~harmful].mean(dim=0),
        )

    def overlap(self) -> Float[Tensor, ""]:
        """Mean squared cosine of the two over slots, in [0, 1]: a loss."""
        return torch.nn.functional.cosine_similarity(self.harm, self.refusal, dim=-1).square().mean()
