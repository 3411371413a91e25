"""How one proved model runs the prompts it is given: what may be shared, what is remembered, what is read."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from latentguard._progress import Progress
from latentguard.lm.blocks import Blocks
from latentguard.lm.budget import Budget
from latentguard.lm.capture import capture, run_with_first
from latentguard.lm.chat import Rendered
from latentguard.lm.held import Held
from latentguard.lm.memory import Memory
from latentguard.lm.replies.prefill import Prefill
from latentguard.lm.states import Sink
from latentguard.lm.taps import Tap, slot_taps


@dataclass(frozen=True, slots=True, eq=False)
class Runner:
    """`shares_prefixes`: whether a beginning that prompts share may run once, as was proved or refused."""

    blocks: Blocks
    device: torch.device
    shares_prefixes: bool
    budget: Budget
    memory: Memory
    held: Held | None = None

    def slots(
        self,
        prompts: Sequence[Rendered],
        indices: Sequence[tuple[int, ...]],
        slots: tuple[int, ...],
        sink: Sink,
        progress: Progress,
    ) -> None:
        """Hand the sink the states at `indices` of each prompt, those that are remembered without a run."""

        def computed(
            prompts: Sequence[Rendered],
            indices: Sequence[tuple[int, ...]],
            slots: tuple[int, ...],
            sink: Sink,
        ) -> None:
            self.taps(prompts, indices, slot_taps(self.blocks, slots), sink, progress)

        self.memory.read(prompts, indices, slots, sink, computed)

    def taps(
        self,
        prompts: Sequence[Rendered],
        indices: Sequence[tuple[int, ...]],
        taps: Sequence[Tap],
        sink: Sink,
        progress: Progress,
    ) -> None:
        """Hand the sink what passes `taps` at `indices` of each prompt."""
        capture(
            self.blocks,
            prompts,
            indices,
            taps,
            sink,
            device=self.device,
            share=self.cache_may_be_padded(prompts),
            budget=self.budget,
            held=self.held,
            progress=progress,
        )

    def run_with_first(
        self, prompts: Sequence[Rendered], indices: Sequence[tuple[int, ...]]
    ) -> tuple[int, ...]:
        """Which of these prompts run in one batch with the first (see `capture.run_with_first`)."""
        return run_with_first(
            prompts,
            indices,
            share=self.cache_may_be_padded(prompts),
            budget=self.budget,
            held=self.held,
        )

    def prefill(
        self, prompts: Sequence[Rendered], *, new_tokens: int, share: bool, before: int | None = None
    ) -> Prefill:
        """How these prompts begin a reply; `before`: the first index that is read on the way."""
        if not prompts:
            raise ValueError("no prompts were given")
        free = self.cache_may_be_padded(prompts, new_tokens)
        return Prefill(
            self.blocks,
            prompts,
            self.device,
            share=share and free,
            level=not free,
            before=before,
            held=self.held,
        )

    def cache_may_be_padded(self, prompts: Sequence[Rendered], new_tokens: int = 0) -> bool:
        """Whether caches of these prompts may be forked, reordered, and hold padding: it counts towards an
        attention window, so no window may be reached by a beginning, a stem, a tail and a reply."""
        reach = self.blocks.attention_reach
        return self.shares_prefixes and (
            reach is None or 3 * max(len(one.ids) for one in prompts) + new_tokens < reach
        )
