"""How many padded tokens one batch may hold, by where the model runs.

The figures were taken on one machine with two cores; those of an accelerator are not measured yet.
"""

from dataclasses import dataclass

import torch

from latentguard.lm.batches import A_RUN, TOKENS


@dataclass(slots=True)
class Budget:
    """Padded tokens a batch: doubled after every batch that ran, up to `most`; halved where memory ran out,
    and then `most` for good."""

    tokens: int
    most: int
    a_run: int = A_RUN
    """What it costs to start a run, in tokens."""

    @classmethod
    def of(cls, device: torch.device) -> "Budget":
        """For a model whose weights are in memory. On two cores half of `TOKENS` takes 1.04 of the time (four
        repeats, 0.99 to 1.16), and what a batch needs beside the model is half as much."""
        if device.type == "cpu":
            return cls(TOKENS // 2, TOKENS // 2)
        return cls(16 * TOKENS, 512 * TOKENS, 2 * TOKENS)

    @classmethod
    def of_copy(cls, device: torch.device) -> "Budget":
        """For an untrained copy: its weights are drawn anew in every run, which takes two cores as long as
        some 500 tokens. On a CPU larger batches run no faster for what they cost in memory."""
        return cls(2 * TOKENS, 2 * TOKENS, TOKENS // 2) if device.type == "cpu" else cls.of(device)

    @staticmethod
    def of_replies(device: torch.device) -> int:
        """Padded tokens of prompts that are replied to together: their rows share each step's weights."""
        return TOKENS if device.type == "cpu" else 16 * TOKENS

    def double(self) -> None:
        """After a batch that fitted."""
        self.tokens = min(2 * self.tokens, self.most)

    def halve(self, tried: int) -> None:
        """`tried`: the padded tokens of the batch that did not fit."""
        self.tokens = self.most = max(min(self.tokens, tried) // 2, 1)
