"""Judged replies on disk, a JSON line each, so that no prompt is asked twice: labels and hashes, no text."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from latentguard._kept import KeptLines
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
        kept = KeptLines(self.folder, "replies", self.about)
        known = {name: Reply(**reply) for name, reply in kept.read().items()}
        new = [(name, prompt) for name, prompt in zip(names, prompts, strict=True) if name not in known]
        for start in range(0, len(new), AT_ONCE):
            part = new[start : start + AT_ONCE]
            replies = asked([prompt for _, prompt in part])
            known.update(zip((name for name, _ in part), replies, strict=True))
            kept.write({name: asdict(known[name]) for name, _ in part})
        return [known[name] for name in names]
