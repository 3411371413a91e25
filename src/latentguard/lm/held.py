"""A beginning that many prompts share, run once and kept: a template's opening and system prompt, say.

Prompts that begin with it are read, and answered, from its last token on. It costs the keys and values of its
tokens in memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from latentguard.lm.batch_layout import Row
from latentguard.lm.blocks import Blocks
from latentguard.lm.chat import Rendered
from latentguard.lm.edits.in_force import any_active
from latentguard.lm.runs import Segment, beginning, run


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """The tokens, and what one run of them left in the cache."""

    ids: tuple[int, ...]
    segment: Segment

    def begins(self, prompts: Sequence[Rendered], firsts: Sequence[int]) -> bool:
        """Whether every prompt goes on after these tokens, none of them is to be read (`firsts`: the first
        token that is wanted of each), and no edit is in force, which they were run without."""
        length = len(self.ids)
        return not any_active() and all(
            first >= length and one.ids[:length] == self.ids
            for one, first in zip(prompts, firsts, strict=True)
        )


def hold(blocks: Blocks, device: torch.device, prompt: Rendered, tokens: int) -> Held:
    """Run the first `tokens` tokens of `prompt`."""
    segment = beginning(blocks, 1, device, cached=True)
    ids = prompt.ids[:tokens]
    run(blocks, segment, [ids], [0], [Row(0, 1, prompt)])
    return Held(ids, segment)
