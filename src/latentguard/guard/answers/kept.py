"""What was read of answers outlives a kill: some prompts at a time, their numbers in a file of their own."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from safetensors.torch import load_file, save_file
from torch import Tensor

from latentguard._progress import Progress
from latentguard.data import Prompt, ordered_hash

AT_ONCE: Final = 64
"""Prompts that are answered before what was read of their answers is written."""

Read: TypeAlias = Callable[[Sequence[Prompt], Progress], dict[str, Tensor]]
"""Lets the model answer prompts, and returns numbers of their answers."""


@dataclass(frozen=True, slots=True)
class KeptAnswers:
    """Numbers of answers of one model, read in one way. Without a `folder` nothing is kept."""

    folder: Path | None
    about: str
    """Everything that decides the numbers beside the prompts; another text has other files."""

    def of(self, prompts: Sequence[Prompt], read: Read, progress: Progress) -> list[dict[str, Tensor]]:
        """As `read` returns them, for `AT_ONCE` prompts after the other: as kept, or read and kept."""
        if self.folder is None:
            return [read(prompts, progress)]
        self.folder.mkdir(parents=True, exist_ok=True)
        found: list[dict[str, Tensor]] = []
        for first in range(0, len(prompts), AT_ONCE):
            part = prompts[first : first + AT_ONCE]
            file = self.folder / f"answers-{self._name(part)}.safetensors"
            if not file.exists():
                _write(read(part, _of_all(progress, first, len(prompts))), file)
            found.append(load_file(file))
        return found

    def _name(self, prompts: Sequence[Prompt]) -> str:
        return hashlib.sha256(f"{self.about} {ordered_hash(prompts)}".encode()).hexdigest()[:24]


def _write(numbers: dict[str, Tensor], file: Path) -> None:
    """Whole or not at all: the file gets its name when it is complete."""
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    save_file({name: one.contiguous() for name, one in numbers.items()}, unfinished)
    unfinished.replace(file)


def _of_all(progress: Progress, first: int, prompts: int) -> Progress:
    """The same progress, of all prompts and not of a part."""

    def forward(stage: str, done: int, total: int) -> None:
        progress(stage, first + done, max(first + total, prompts))

    return forward
