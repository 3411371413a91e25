"""Work that was killed goes on: what was measured lies in a folder, a JSON line each, by what decides it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class KeptLines:
    """Values by name, of one kind and one way of measuring."""

    folder: Path
    kind: str
    """What the values are: how their file's name begins."""
    about: str
    """Everything that decides a value beside its name; another text has another file."""

    def read(self) -> dict[str, Any]:
        """Every value that is kept. What a crash left of a line counts for nothing."""
        found: dict[str, Any] = {}
        for line in self._file.read_text(encoding="utf-8").splitlines() if self._file.exists() else ():
            try:
                row: Any = json.loads(line)
                found[row["name"]] = row["value"]
            except (ValueError, KeyError, TypeError):
                continue
        return found

    def write(self, values: Mapping[str, Any]) -> None:
        """Keep these, too."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write("\n")  # what a crash left of the last line stays a line of its own
            for name, value in values.items():
                file.write(json.dumps({"name": name, "value": value}) + "\n")

    @property
    def _file(self) -> Path:
        return self.folder / f"{self.kind}-{hashlib.sha256(self.about.encode()).hexdigest()[:24]}.jsonl"
