"""What a model did with each prompt: it replied, the reply was judged, and the text was dropped.

Of a reply only its label, its length, its first token and its sha256 are kept: nothing here can print or
store what a model answered to a harmful request.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from latentguard._progress import Progress, silent
from latentguard.beliefs.kept_replies import KeptReplies, Reply
from latentguard.beliefs.table import html_table
from latentguard.data import Prompt
from latentguard.judge import Judgement, judge
from latentguard.lm import LanguageModel, LastTokens

if TYPE_CHECKING:
    import pandas

Cell: TypeAlias = Literal["refused_harmful", "accepted_harmful", "refused_harmless", "accepted_harmless"]
CELLS: tuple[Cell, ...] = ("refused_harmful", "accepted_harmful", "refused_harmless", "accepted_harmless")

MOST_NEW_TOKENS = 64
"""A reply longer than this is never asked for: a refusal shows in its first words."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Prompts and the replies one model gave to them, in the same order."""

    prompts: tuple[Prompt, ...]
    replies: tuple[Reply, ...]
    max_new_tokens: int

    def __post_init__(self) -> None:
        if len(self.prompts) != len(self.replies):
            raise ValueError(f"{len(self.prompts)} prompts but {len(self.replies)} replies")

    @property
    def refused(self) -> tuple[bool, ...]:
        """Whether each prompt was refused, by the judge that `observe` was given."""
        return tuple(reply.refused for reply in self.replies)

    def cells(self) -> dict[Cell, tuple[int, ...]]:
        """Indices of the prompts in each verdict cell; unlabelled prompts and empty replies are in none."""
        members: dict[Cell, list[int]] = {cell: [] for cell in CELLS}
        for index, (prompt, reply) in enumerate(zip(self.prompts, self.replies, strict=True)):
            if prompt.label is not None and not reply.empty:
                members[cell_of(harmful=prompt.label == "harmful", refused=reply.refused)].append(index)
        return {cell: tuple(indices) for cell, indices in members.items()}

    def counts(self) -> dict[str, int]:
        """How many prompts are in each cell, and how many in none: `empty` replies, `unlabelled` prompts."""
        counted: dict[str, int] = {cell: len(indices) for cell, indices in self.cells().items()}
        counted["empty"] = sum(
            reply.empty
            for prompt, reply in zip(self.prompts, self.replies, strict=True)
            if prompt.label is not None
        )
        counted["unlabelled"] = sum(prompt.label is None for prompt in self.prompts)
        return counted

    def by_source(self) -> dict[str, dict[str, int]]:
        """For each source of prompts, how many were refused, accepted and answered with nothing."""
        table: dict[str, Counter[str]] = {}
        for prompt, reply in zip(self.prompts, self.replies, strict=True):
            outcome = "empty" if reply.empty else "refused" if reply.refused else "accepted"
            table.setdefault(prompt.source or "unnamed", Counter())[outcome] += 1
        return {
            source: {outcome: counts[outcome] for outcome in ("refused", "accepted", "empty")}
            for source, counts in table.items()
        }

    def to_frame(self) -> "pandas.DataFrame":
        """One row a prompt: what it is, its verdict cell (None where in none), what is kept of its reply."""
        import pandas

        cell_of_index = {index: cell for cell, members in self.cells().items() for index in members}
        rows = [
            {
                "prompt": prompt.text,
                "label": prompt.label,
                "category": prompt.category,
                "source": prompt.source,
                "attack": prompt.attack,
                "cell": cell_of_index.get(index),
            }
            | asdict(reply)
            for index, (prompt, reply) in enumerate(zip(self.prompts, self.replies, strict=True))
        ]
        return pandas.DataFrame(rows)

    def _repr_html_(self) -> str:
        """How many prompts are in each verdict cell and in none, for notebooks."""
        rows = [(name.replace("_", " "), f"{count}") for name, count in self.counts().items()]
        caption = (
            f"{len(self.prompts)} prompts, judged by the first {self.max_new_tokens} tokens of the reply"
        )
        return html_table(("verdict cell", "prompts"), rows, caption=caption)


def cell_of(*, harmful: bool, refused: bool) -> Cell:
    """The verdict cell of a harmfulness and a decision."""
    if harmful:
        return "refused_harmful" if refused else "accepted_harmful"
    return "refused_harmless" if refused else "accepted_harmless"


def observe(
    model: LanguageModel,
    prompts: Sequence[Prompt],
    *,
    judge: Callable[[str], Judgement] = judge,
    max_new_tokens: int = 16,
    folder: Path | None = None,
    of_replies: LastTokens | None = None,
    progress: Progress = silent,
) -> Behaviour:
    """Let the model reply greedily to every prompt as written, judge each reply, and drop its text.

    In `folder` judgements are kept as they are made, and found again by the model's weights, numbers and
    template, the prompt, the judge and the number of tokens, so that long work which was killed goes on. Not
    for edited runs. `of_replies`: what to read of the reply tokens (see `LanguageModel.generate`), where no
    reply is found again. Raises `ValueError` for more than 64 new tokens, unless every prompt is labelled
    harmless.
    """
    harmless = all(prompt.label == "harmless" and prompt.attack is None for prompt in prompts)
    if max_new_tokens < 1 or (max_new_tokens > MOST_NEW_TOKENS and not harmless):
        raise ValueError(f"max_new_tokens is between 1 and {MOST_NEW_TOKENS}, not {max_new_tokens}")
    if folder is not None and of_replies is not None:
        raise ValueError("of a reply that is found in a folder no token runs, so none can be read")

    def asked(some: Sequence[Prompt]) -> list[Reply]:
        generations = model.generate(
            [prompt.messages for prompt in some],
            max_new_tokens=max_new_tokens,
            temperature=0.0,
            of_replies=of_replies,
            progress=progress,
        )
        return [_kept(generation.text, generation.ids, judge) for generation in generations]

    given = tuple(prompts)
    if folder is None:
        replies = asked(given)
    else:
        about = f"{model.identity().deciding} {judge.__module__}.{judge.__qualname__} {max_new_tokens}"
        replies = KeptReplies(folder, about).of(given, asked)
    return Behaviour(prompts=given, replies=tuple(replies), max_new_tokens=max_new_tokens)


def described(counts: Mapping[str, int]) -> str:
    """Counts as one line: `refused_harmful 31, accepted_harmful 9, ...`, zeros of the rare kinds left out."""
    shown = [f"{name} {count}" for name, count in counts.items() if count or name in CELLS]
    return ", ".join(shown)


def _kept(text: str, ids: Sequence[int], judge: Callable[[str], Judgement]) -> Reply:
    judged = judge(text)
    return Reply(
        refused=judged.refused,
        empty=judged.empty,
        characters=len(text),
        tokens=len(ids),
        sha256=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        first=ids[0] if ids else None,
    )
