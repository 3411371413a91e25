"""Reading prompts in the very run that answers them, at the price of one small copy a slot.

This room knows nothing of harm: a `Watcher` says which states it wants, and is asked what they mean.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from latentguard.lm.blocks import Blocks
from latentguard.lm.capture import Reader
from latentguard.lm.chat.rendered import Position, Rendered
from latentguard.lm.states import Sink, States, gather_states
from latentguard.lm.taps import slot_taps

TakeTokens: TypeAlias = Callable[[Sequence[int], Float[Tensor, "row slot hidden"]], None]
"""Takes the numbers of some replies, and the states of the token that each ran in one step, float32 on the
CPU."""


@runtime_checkable
class Flagging(Protocol):
    """What a watcher makes of one prompt."""

    @property
    def flagged(self) -> bool:
        """Whether the prompt is to get no answer."""
        ...


@runtime_checkable
class Watcher(Protocol):
    """Judges prompts by their states alone, such as a `Guard`."""

    @property
    def module(self) -> object:
        """The one model whose states it can judge."""
        ...

    @property
    def reads(self) -> tuple[tuple[Position, ...], tuple[int, ...]]:
        """The positions and slots whose states it wants."""
        ...

    @property
    def date(self) -> str | None:
        """What the template is told the date is (ISO), if it writes one; None for the model's own."""
        ...

    def judge(self, states: States) -> Sequence[Flagging]:
        """One judgement a prompt of `states`, in order."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """States wanted of prompts that are about to be answered: read where their first token is computed."""

    indices: Sequence[tuple[int, ...]]
    """Token indices of each prompt."""
    slots: tuple[int, ...]
    sink: Sink

    @property
    def first(self) -> int:
        """The first token that is read of any prompt: a beginning that all share must end before it."""
        return min(map(min, self.indices))

    @contextmanager
    def of(self, blocks: Blocks, rows: Sequence[int], start: int) -> Generator[None]:
        """Inside the block the prompts `rows` run from token `start` on. Raises `NonFiniteState` after it."""
        reader = Reader(slot_taps(blocks, self.slots), exits=False)
        picks = [
            (number, index - start, row * len(self.indices[row]) + position)
            for number, row in enumerate(rows)
            for position, index in enumerate(self.indices[row])
        ]
        with reader.hooked(), reader.picking(picks):
            yield
        reader.deliver(self.sink, len(self.indices[0]))


@dataclass(frozen=True, slots=True, eq=False)
class LastTokens:
    """States wanted of the reply token that each row runs in one step: the last one chosen for it."""

    slots: tuple[int, ...]
    take: TakeTokens
    checked: bool = True
    """A state that is not finite raises `NonFiniteState`; False: it is handed on, for one reply to end by."""
    running: Callable[[int], bool] = lambda row: True
    """Whether a row's reply is still in the making: some stay in their batch after it has ended."""

    @contextmanager
    def of(self, blocks: Blocks, rows: Sequence[int], _: int) -> Generator[None]:
        """Inside the block each of `rows` runs one token. May raise `NonFiniteState` after it."""
        reader = Reader(slot_taps(blocks, self.slots), exits=False)
        picks = [(number, 0, row) for number, row in enumerate(rows) if self.running(row)]
        read: list[tuple[int, Tensor]] = []
        with reader.hooked(), reader.picking(picks):
            yield
        reader.deliver(lambda tap, _, states: read.append((tap, states)), 1, checked=self.checked)
        if picks:
            by_slot = [states for _, states in sorted(read, key=lambda one: one[0])]
            self.take([row for _, _, row in picks], torch.stack(by_slot, dim=1))


@dataclass(slots=True, eq=False)
class Watch:
    """A watcher beside replies in the making: what it wants of each prompt, and what it said of it."""

    watcher: Watcher
    prompts: Sequence[Rendered]
    verdicts: dict[int, Any] = field(default_factory=dict)
    """By the prompt's number."""
    _read: list[tuple[int, Tensor, Tensor]] = field(default_factory=list)

    def reading(self) -> Reading:
        """What must be read while the prompts run."""
        positions, slots = self.watcher.reads
        indices = [tuple(prompt.index(position) for position in positions) for prompt in self.prompts]
        return Reading(indices, slots, lambda *read: self._read.append(read))

    def judge(self, rows: Sequence[int]) -> None:
        """Ask the watcher about `rows`, whose states have been read and are let go."""
        positions, slots = self.watcher.reads
        number = {row: place for place, row in enumerate(rows)}
        out, sink = gather_states(len(rows), len(positions), len(slots), self._read[0][2].shape[-1])
        for slot, targets, states in self._read:
            placed = [
                number[target // len(positions)] * len(positions) + target % len(positions)
                for target in targets.tolist()
            ]
            sink(slot, torch.tensor(placed, dtype=torch.long), states)
        self._read = []
        self.verdicts.update(zip(rows, self.watcher.judge(States(out, positions, slots)), strict=True))
