"""The model answers, every token of its answers is read on the way, and only numbers are kept."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from latentguard._progress import Progress
from latentguard.beliefs import CELLS, Cell, cell_of, observe
from latentguard.beliefs.behaviour import MOST_NEW_TOKENS
from latentguard.data import Prompt
from latentguard.guard.answers.kept import KeptAnswers
from latentguard.guard.answers.reader import CentroidPair
from latentguard.guard.choice import mask
from latentguard.guard.probe import Method, Probe
from latentguard.lm import LanguageModel, LastTokens


@dataclass(frozen=True, slots=True, eq=False)
class AnswerMeans:
    """The mean state of each of some answers over its tokens, and its verdict cell."""

    states: Float[Tensor, "answer slot hidden"]
    cells: tuple[Cell, ...]

    def of(self, *cells: Cell) -> Bool[Tensor, " answer"]:
        """Which answers are in one of these cells."""
        return mask(one in cells for one in self.cells)

    def counts(self) -> dict[str, int]:
        """Answers in each cell."""
        return {cell: self.cells.count(cell) for cell in CELLS}


@dataclass(frozen=True, slots=True, eq=False)
class ScoredAnswer:
    """One answer by its numbers."""

    cell: Cell
    scores: dict[Method, Float[Tensor, "token slot"]]
    """By every method, of every token and slot."""
    refusal: Float[Tensor, "token slot"] | None
    """cos to the positive minus cos to the negative centroid."""


def mean_states(
    model: LanguageModel,
    prompts: Sequence[Prompt],
    slots: tuple[int, ...],
    *,
    folder: Path | None,
    progress: Progress,
) -> AnswerMeans:
    """Let the model answer labelled prompts, and take the mean of every answer's states over its tokens.

    `folder`: where what was read is kept, and found again."""

    def read(some: Sequence[Prompt], told: Progress) -> dict[str, Tensor]:
        sums = torch.zeros((len(some), len(slots), model.hidden_size))
        tokens = torch.zeros(len(some), dtype=torch.long)

        def add(numbers: Sequence[int], states: Tensor) -> None:
            sums[list(numbers)] += states
            tokens[list(numbers)] += 1

        cells = _answered(model, some, tokens, LastTokens(slots, add), MOST_NEW_TOKENS, told)
        kept = cells >= 0
        return {"states": sums[kept] / tokens[kept, None, None], "cells": cells[kept]}

    about = f"means {_about(model, slots, MOST_NEW_TOKENS)}"
    parts = KeptAnswers(folder, about).of(prompts, read, progress)
    cells = tuple(CELLS[cell] for part in parts for cell in part["cells"].tolist())
    return AnswerMeans(torch.cat([part["states"] for part in parts]), cells)


def scored(
    model: LanguageModel,
    prompts: Sequence[Prompt],
    probes: dict[Method, Probe],
    refusal: CentroidPair | None,
    slots: tuple[int, ...],
    *,
    max_new_tokens: int,
    folder: Path | None,
    progress: Progress,
) -> list[ScoredAnswer]:
    """Let the model answer labelled prompts, and score every token of its answers at every slot.

    `folder` as above."""

    def read(some: Sequence[Prompt], told: Progress) -> dict[str, Tensor]:
        tokens = torch.zeros(len(some), dtype=torch.long)
        of_answers: list[list[dict[str, Tensor]]] = [[] for _ in some]

        def score(numbers: Sequence[int], states: Tensor) -> None:
            tokens[list(numbers)] += 1
            found = {f"scores.{method}": probe.cell_scores(states) for method, probe in probes.items()}
            if refusal is not None:
                found["refusal"] = refusal.by_slot(states)
            for row, number in enumerate(numbers):
                of_answers[number].append({name: one[row] for name, one in found.items()})

        cells = _answered(model, some, tokens, LastTokens(slots, score), max_new_tokens, told)
        kept = cells >= 0
        read_of = [one for number in kept.nonzero()[:, 0].tolist() for one in of_answers[number]]
        names = read_of[0] if read_of else ()
        series = {name: torch.stack([one[name] for one in read_of]) for name in names}
        return {"cells": cells[kept], "tokens": tokens[kept], **series}

    about = f"scores {_about(model, slots, max_new_tokens)} {_hash_of(probes, refusal)}"
    parts = KeptAnswers(folder, about).of(prompts, read, progress)
    return [one for part in parts for one in _scored_answers(part, list(probes))]


def _scored_answers(part: dict[str, Tensor], methods: Sequence[Method]) -> list[ScoredAnswer]:
    lengths = part["tokens"].tolist()
    if not lengths:
        return []
    of_harm: dict[Method, Sequence[Tensor]] = {
        method: part[f"scores.{method}"].split(lengths) for method in methods
    }
    of_refusal = part["refusal"].split(lengths) if "refusal" in part else None
    return [
        ScoredAnswer(
            CELLS[cell],
            {method: of_harm[method][number] for method in methods},
            None if of_refusal is None else of_refusal[number],
        )
        for number, cell in enumerate(part["cells"].tolist())
    ]


def _answered(
    model: LanguageModel,
    prompts: Sequence[Prompt],
    tokens: Int[Tensor, " prompt"],
    reading: LastTokens,
    max_new_tokens: int,
    progress: Progress,
) -> Int[Tensor, " prompt"]:
    """The verdict cell of every answer, by its number in `CELLS`; -1 where it is empty, or none of its
    `tokens` was read."""
    seen = observe(model, prompts, max_new_tokens=max_new_tokens, of_replies=reading, progress=progress)
    cells = torch.full((len(prompts),), -1)
    for number, (prompt, reply) in enumerate(zip(seen.prompts, seen.replies, strict=True)):
        if tokens[number] and not reply.empty:
            cells[number] = CELLS.index(cell_of(harmful=prompt.label == "harmful", refused=reply.refused))
    return cells


def _about(model: LanguageModel, slots: tuple[int, ...], max_new_tokens: int) -> str:
    return f"{model.identity().deciding} {slots} {max_new_tokens}"


def _hash_of(probes: dict[Method, Probe], refusal: CentroidPair | None) -> str:
    """What the scores are made by."""
    made = hashlib.sha256()
    tensors = [one for probe in probes.values() for one in (probe.weights, probe.bias)]
    for one in [*tensors, *(() if refusal is None else (refusal.positive, refusal.negative))]:
        made.update(one.float().contiguous().numpy().tobytes())
    return f"{','.join(probes)} {made.hexdigest()}"
