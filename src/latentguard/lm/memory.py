"""What was captured once and need not be computed again, while a model is told to remember."""

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from latentguard.lm.chat.rendered import Rendered
from latentguard.lm.edits.in_force import any_active
from latentguard.lm.fingerprint import Identity
from latentguard.lm.remembered import Capture, Remembered, beginning_key
from latentguard.lm.replies.watching import Reading
from latentguard.lm.states import Sink


class Memory:
    """The memory of one model, empty until `remembering`; edited runs neither ask it nor fill it."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._states: Remembered | None = None
        self._folder: Path | None = None

    @contextmanager
    def remembering(
        self, folder: str | os.PathLike[str] | None, identity: Callable[[], Identity]
    ) -> Generator[None]:
        """Inside the `with` block states are kept; with `folder` on disk too, under the model's identity."""
        before = self._states, self._folder
        self._folder = None if folder is None else Path(folder)
        self._states = self._states or self._opened(identity)
        try:
            yield
        finally:
            self._states, self._folder = before

    def of_copy(self, identity: Callable[[], Identity]) -> "Memory":
        """That of an untrained copy: it remembers where this one keeps states on disk, beside them."""
        made = Memory(self._dtype)
        made._folder = self._folder
        made._states = None if self._folder is None else made._opened(identity)
        return made

    def read(
        self,
        prompts: Sequence[Rendered],
        indices: Sequence[tuple[int, ...]],
        slots: tuple[int, ...],
        sink: Sink,
        capture: Capture,
    ) -> None:
        """As `capture`, which is asked for what is not remembered."""
        if self._states is None or any_active():
            capture(prompts, indices, slots, sink)
        else:
            self._states.read(prompts, indices, slots, sink, capture)

    def on_the_way(
        self, prompts: Sequence[Rendered], slots: tuple[int, ...]
    ) -> tuple[list[Reading], Callable[[], None]]:
        """What to read at t_inst and t_post_inst while these prompts are answered, and what to call then."""
        if self._states is None or any_active():
            return [], lambda: None
        indices = [(one.t_inst, one.t_post_inst) for one in prompts]
        keys = [
            beginning_key(one.ids, index)
            for one, wanted in zip(prompts, indices, strict=True)
            for index in wanted
        ]
        keep, finish = self._states.keeping(keys, slots)
        return [Reading(indices, slots, keep)], finish

    def _opened(self, identity: Callable[[], Identity]) -> Remembered:
        if self._folder is None:
            return Remembered(self._dtype)
        whose = identity()
        return Remembered(self._dtype, self._folder / f"{whose.fingerprint[:16]}-{whose.dtype}")
