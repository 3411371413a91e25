"""Judged replies on disk, a JSON line each, so that no prompt is asked twice: labels and hashes, no text."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from latentguard.data import Prompt, data_hash

AT_ONCE = 128
"""Prompts that are asked before their judgements are written."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What is kept of one reply."""

    refused: bool
    empty: bool
    """Nothing was said that could be judged; counted apart from both decisions."""
    characters: int
    tokens: int
    sha256: str
    first: int | None = None
    """The token that the reply begins with, of the model's own vocabulary; None for a reply of none."""

    @property
    def accepted(self) -> bool:
        """Something was said, and it does not refuse."""
        return not self.refused and not self.empty


@dataclass(frozen=True, slots=True)
class KeptReplies:
    """Replies of one model, judged in one way."""

    folder: Path
    about: str
    """Everything that decides a reply beside the prompt; another text has another file."""

    def of(
        self, prompts: Sequence[Prompt], asked: Callable[[Sequence[Prompt]], Sequence[Reply]]
    ) -> list[Reply]:
        """The reply of every prompt: as kept, or `asked` for and kept."""
        names = [data_hash([prompt]) for prompt in prompts]
        known = self._read()
        new = [(name, prompt) for name, prompt in zip(names, prompts, strict=True) if name not in known]
        for start in range(0, len(new), AT_ONCE):
            part = new[start : start + AT_ONCE]
            replies = asked([prompt for _, prompt in part])
            known.update(zip((name for name, _ in part), replies, strict=True))
            self._write([(name, known[name]) for name, _ in part])
        return [known[name] for name in names]

    @property
    def _file(self) -> Path:
        return self.folder / f"replies-{hashlib.sha256(self.about.encode()).hexdigest()[:24]}.jsonl"

    def _read(self) -> dict[str, Reply]:
        found: dict[str, Reply] = {}
        for line in self._file.read_text(encoding="utf-8").splitlines() if self._file.exists() else ():
            try:
                row: Any = json.loads(line)
                found[row["prompt"]] = Reply(**row["reply"])
            except (ValueError, KeyError, TypeError):
                continue  # what a crash left of a line
        return found

    def _write(self, rows: Sequence[tuple[str, Reply]]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write("\n")
            for name, reply in rows:
                file.write(json.dumps({"prompt": name, "reply": asdict(reply)}) + "\n")
