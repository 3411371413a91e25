"""States that were captured before, kept by the tokens that made them: to read them again costs nothing.

In a decoder the state of a token depends on that token and those before it alone, so the beginning of a
prompt up to the token is its key. One prompt's two positions, its variants, and the same prompt asked for
by another stage of the work are all found by it. With a folder they outlive the process, too: work that
was killed goes on from the last piece written.
"""

import hashlib
import json
import os
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from latentguard.lm.chat import Rendered
from latentguard.lm.states import Sink

_DELIVERED_AT_ONCE = 256
_PROMPTS_A_FILE = 512

Capture = Callable[[Sequence[Rendered], Sequence[tuple[int, ...]], tuple[int, ...], Sink], None]
"""Runs the model for some prompts, their indices, and slots (see `capture.capture`)."""

Key = bytes


def beginning_key(ids: Sequence[int], index: int) -> Key:
    """Names the state of token `index` after the tokens before it."""
    return hashlib.sha256(array("q", ids[: index + 1]).tobytes()).digest()[:16]


class Remembered:
    """States of one model, kept in `dtype`, its own, in which nothing of them is lost.

    `folder`: where they are kept on disk, one safetensors file for some hundred prompts, for this model
    alone; what lies there is read first.
    """

    def __init__(self, dtype: torch.dtype, folder: Path | None = None) -> None:
        self._dtype, self._folder = dtype, folder
        self._kept: dict[Key, tuple[tuple[int, ...], Float[Tensor, "slot hidden"]]] = {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            for file in sorted(folder.glob("states-*.safetensors")):
                self._recall(file)

    def read(
        self,
        prompts: Sequence[Rendered],
        indices: Sequence[tuple[int, ...]],
        slots: tuple[int, ...],
        sink: Sink,
        capture: Capture,
    ) -> None:
        """As `capture`, which is asked only for prompts with a state that is not kept, and once for each."""
        keys = [
            tuple(beginning_key(prompt.ids, index) for index in wanted)
            for prompt, wanted in zip(prompts, indices, strict=True)
        ]
        unknown: dict[tuple[Key, ...], int] = {}
        for row, wanted in enumerate(keys):
            if not all(self._knows(key, slots) for key in wanted):
                unknown.setdefault(wanted, row)
        rows = list(unknown.values())
        piece = len(rows) if self._folder is None else _PROMPTS_A_FILE
        for first in range(0, len(rows), piece or 1):
            part = rows[first : first + piece]
            keep, finish = self.keeping([key for row in part for key in keys[row]], slots)
            capture([prompts[row] for row in part], [indices[row] for row in part], slots, keep)
            finish()
        self._deliver(keys, slots, sink)

    def keeping(self, keys: Sequence[Key], slots: tuple[int, ...]) -> tuple[Sink, Callable[[], None]]:
        """A sink whose target k is `keys[k]`, and what to call when it has been given everything."""
        read: list[Tensor] = []

        def keep(slot: int, targets: Tensor, states: Tensor) -> None:
            if not read:
                read.append(torch.empty((len(keys), len(slots), states.shape[-1]), dtype=self._dtype))
            read[0][targets, slot] = states.to(self._dtype)

        def finish() -> None:
            if self._folder is not None:
                self._write(self._folder, keys, slots, read[0])
            self._keep(keys, slots, read[0])

        return keep, finish

    def _knows(self, key: Key, slots: tuple[int, ...]) -> bool:
        return key in self._kept and set(slots) <= set(self._kept[key][0])

    def _keep(self, keys: Sequence[Key], slots: tuple[int, ...], states: Tensor) -> None:
        for key, one in zip(keys, states, strict=True):
            if not self._knows(key, slots):
                self._kept[key] = (slots, one)

    def _write(self, folder: Path, keys: Sequence[Key], slots: tuple[int, ...], states: Tensor) -> None:
        """Whole or not at all: the file gets its name when it is complete."""
        name = hashlib.sha256(b"".join(keys) + repr(slots).encode()).hexdigest()[:16]
        unfinished = folder / f".{name}.{os.getpid()}"
        described = {"keys": b"".join(keys).hex(), "slots": json.dumps(slots)}
        save_file({"states": states}, unfinished, metadata=described)
        unfinished.replace(folder / f"states-{name}.safetensors")

    def _recall(self, file: Path) -> None:
        with safe_open(file, framework="pt") as opened:  # type: ignore[no-untyped-call]
            described = opened.metadata()
            joined = bytes.fromhex(described["keys"])
            keys = [joined[start : start + 16] for start in range(0, len(joined), 16)]
            self._keep(keys, tuple(json.loads(described["slots"])), opened.get_tensor("states"))

    def _deliver(self, keys: Sequence[Sequence[Key]], slots: tuple[int, ...], sink: Sink) -> None:
        for first in range(0, len(keys), _DELIVERED_AT_ONCE):
            found = [self._kept[key] for wanted in keys[first : first + _DELIVERED_AT_ONCE] for key in wanted]
            start = first * len(keys[0])
            targets = torch.arange(start, start + len(found))
            for number, slot in enumerate(slots):
                states = torch.stack([kept[has.index(slot)] for has, kept in found])
                sink(number, targets, states.float())
