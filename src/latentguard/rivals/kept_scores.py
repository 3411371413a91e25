"""Scores on disk, a JSON line for every rival and some hundred prompts: work that was killed goes on.

Rivals are fitted again, which gives the same ones; what they have scored is not scored again.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from latentguard.data import Prompt, data_hash


@dataclass(frozen=True, slots=True)
class KeptScores:
    """Scores of rivals that were fitted in one way."""

    folder: Path
    about: str
    """Everything that decides a score beside the rival and the prompt; another text has another file."""

    def read(self) -> dict[str, Float[np.ndarray, " prompt"]]:
        """Every score that is kept, by `name`."""
        found: dict[str, Float[np.ndarray, " prompt"]] = {}
        for line in self._file.read_text(encoding="utf-8").splitlines() if self._file.exists() else ():
            try:
                row: Any = json.loads(line)
                found[row["name"]] = np.array(row["scores"], dtype=np.float64)
            except (ValueError, KeyError, TypeError):
                continue  # what a crash left of a line
        return found

    def write(self, name: str, scores: Float[np.ndarray, " prompt"]) -> None:
        """Keep the scores of one rival on some prompts."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps({"name": name, "scores": scores.tolist()}) + "\n")

    @property
    def _file(self) -> Path:
        return self.folder / f"scores-{hashlib.sha256(self.about.encode()).hexdigest()[:24]}.jsonl"


def name_of(identity: str, prompts: Sequence[Prompt]) -> str:
    """Under which name the scores of one rival on these prompts, in their order, are kept."""
    return hashlib.sha256(f"{identity}\n{in_order(prompts)}".encode()).hexdigest()[:24]


def in_order(prompts: Sequence[Prompt]) -> str:
    """A hash of prompts that their order changes, too."""
    return hashlib.sha256("".join(data_hash([one]) for one in prompts).encode()).hexdigest()
