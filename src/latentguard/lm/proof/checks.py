"""One check of the proof at load, and what every check is made of: states read the users' way, and a gap."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from latentguard.lm.blocks import Blocks
from latentguard.lm.budget import Budget
from latentguard.lm.capture import capture
from latentguard.lm.chat import Rendered
from latentguard.lm.states import gather_states
from latentguard.lm.taps import slot_taps

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-8, torch.bfloat16: 6e-2, torch.float16: 1e-2}
"""Largest relative difference of two states that rounding may explain, by dtype. Measured: 1e-7 to
4e-7 on five tiny float32 models, 1.2e-2 on Qwen2.5-Coder-0.5B in bfloat16."""

CANNOT_BE_CALLED_AGAIN = (
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    KeyError,
    NotImplementedError,
)
"""What a block raises that is called apart from its model's run and cannot be: a capability is refused."""


@dataclass(frozen=True, slots=True)
class Check:
    """One property: what it says, the largest error measured, and the largest allowed."""

    name: str
    says: str
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the error is within what rounding may explain; False where it is not a number."""
        return self.error <= self.tolerance


def captured(
    blocks: Blocks, prompts: Sequence[Rendered], device: torch.device, *, share: bool
) -> Float[Tensor, "prompt position slot hidden"]:
    """Every slot at t_inst and at the last token, through the same code that users run."""
    hidden = blocks.config.hidden_size
    slots = range(len(blocks) + 1)
    out, sink = gather_states(len(prompts), 2, len(slots), hidden)
    wanted = [(prompt.t_inst, prompt.t_post_inst) for prompt in prompts]
    taps = slot_taps(blocks, slots)
    capture(blocks, prompts, wanted, taps, sink, device=device, share=share, budget=Budget(4096, 4096))
    return out


def gap(one: Tensor, other: Tensor) -> float:
    """Largest distance between two rows, relative to the larger row's length."""
    one, other = one.detach().float().cpu().flatten(0, -2), other.detach().float().cpu().flatten(0, -2)
    size = torch.maximum(one.norm(dim=-1), other.norm(dim=-1)).clamp(min=1e-12)
    return float(((one - other).norm(dim=-1) / size).max())


def worst(captured: Tensor, alone: Sequence[Tensor]) -> float:
    """The largest gap between what was captured of a prompt in a batch and what it is `alone`."""
    return max(gap(captured[row], states) for row, states in enumerate(alone))
