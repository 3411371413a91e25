"""What the tokens of a running batch are: which prompt's, at which index, padding or not.

Every run of this package announces its layout before it calls the model, so that edits know the tokens
they are about. A call that announces none, while edits are active, is an error (`edits/in_force.py`).
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from latentguard.lm.chat.rendered import Rendered

_CURRENT: "ContextVar[BatchLayout | None]" = ContextVar("latentguard_layout", default=None)


@dataclass(frozen=True, slots=True)
class Row:
    """Whose tokens one row of a batch holds: `prompt`, number `number` of the `of` prompts of the call."""

    number: int
    of: int
    prompt: Rendered


@dataclass(frozen=True, slots=True, eq=False)
class BatchLayout:
    """One forward call, right-padded: which tokens of its own prompt and reply each row runs.

    Numbers, not tensors: what an edit needs to know of a step costs no operation on the device.
    """

    spans: tuple[range, ...]
    """Of each row, the indices of its tokens within the row's prompt and reply; padding follows them."""
    rows: tuple[Row, ...]
    scoped: dict[tuple[str, torch.device], Any] = field(default_factory=dict, init=False)
    """What each scope holds of this call, by device, once it has been asked for (`scope.scoped`)."""

    @property
    def width(self) -> int:
        """Tokens of a row, padding included."""
        return max(map(len, self.spans))


def padded(
    sequences: Sequence[Sequence[int]], start: Sequence[int], fill: int, device: torch.device
) -> tuple[Int[Tensor, "row token"], Int[Tensor, "row token"]]:
    """Right-padded token ids, and the index of every token given where each row starts (-1: padding)."""
    width = max(len(sequence) for sequence in sequences)
    ids = torch.full((len(sequences), width), fill, dtype=torch.long)
    index = torch.full((len(sequences), width), -1, dtype=torch.long)
    for row, (sequence, first) in enumerate(zip(sequences, start, strict=True)):
        ids[row, : len(sequence)] = torch.tensor(sequence, dtype=torch.long)
        index[row, : len(sequence)] = torch.arange(first, first + len(sequence))
    return ids.to(device), index.to(device)


@contextmanager
def announced(layout: BatchLayout) -> Generator[None]:
    """Calls of the model inside this block carry `layout`."""
    token = _CURRENT.set(layout)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current_layout() -> BatchLayout | None:
    """The layout of the call that is running in this thread, if this package makes it."""
    return _CURRENT.get()
