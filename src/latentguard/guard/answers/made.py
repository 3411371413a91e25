"""The model answers, every token of its answers is read on the way, and only numbers are kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from latentguard._progress import Progress
from latentguard.beliefs import Behaviour, Cell, cell_of, layer_scores, observe
from latentguard.beliefs.behaviour import MOST_NEW_TOKENS
from latentguard.data import Prompt
from latentguard.guard.answers.reader import Clusters
from latentguard.lm import LanguageModel, LastTokens

ANSWERS_AT_ONCE = 128
"""Answers whose states are summed at a time."""


@dataclass(slots=True)
class CellMeans:
    """The mean state of the answers in each verdict cell; every answer weighs the same, however long."""

    sums: dict[Cell, Float[Tensor, "slot hidden"]] = field(default_factory=dict["Cell", Tensor])
    counts: dict[Cell, int] = field(default_factory=dict["Cell", int])

    def add(self, cell: Cell, mean: Float[Tensor, "slot hidden"]) -> None:
        """One answer, by the mean over its tokens."""
        self.sums[cell] = self.sums.get(cell, torch.zeros_like(mean, dtype=torch.float64)) + mean
        self.counts[cell] = self.counts.get(cell, 0) + 1

    def mean(self, cell: Cell) -> Float[Tensor, "slot hidden"]:
        """The centroid, float32."""
        return (self.sums[cell] / self.counts[cell]).float()


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """One answer by its numbers."""

    cell: Cell
    harmfulness: Float[Tensor, "token slot"]
    """cos to the positive minus cos to the negative centroid, of every token and slot."""
    refusal: Float[Tensor, "token slot"] | None


def cell_means(
    model: LanguageModel, prompts: Sequence[Prompt], slots: tuple[int, ...], *, progress: Progress
) -> CellMeans:
    """Let the model answer labelled prompts, and sum what its tokens' states are in each verdict cell."""
    found = CellMeans()
    for first in range(0, len(prompts), ANSWERS_AT_ONCE):
        chunk = prompts[first : first + ANSWERS_AT_ONCE]
        sums = torch.zeros((len(chunk), len(slots), model.hidden_size))
        counts = [0] * len(chunk)

        def add(
            numbers: Sequence[int],
            states: Tensor,
            sums: Tensor = sums,
            counts: list[int] = counts,
        ) -> None:
            sums[list(numbers)] += states
            for number in numbers:
                counts[number] += 1

        seen = observe(
            model,
            chunk,
            max_new_tokens=MOST_NEW_TOKENS,
            of_replies=LastTokens(slots, add),
            progress=_from(first, len(prompts), progress),
        )
        for number, cell in _cells(seen, counts).items():
            found.add(cell, sums[number] / counts[number])
    return found


def scored(
    model: LanguageModel,
    prompts: Sequence[Prompt],
    harmfulness: Clusters,
    refusal: Clusters | None,
    *,
    max_new_tokens: int,
    progress: Progress,
) -> list[Scored]:
    """Let the model answer labelled prompts, and score every token of its answers at every slot."""
    found: list[Scored] = []
    for first in range(0, len(prompts), ANSWERS_AT_ONCE):
        chunk = prompts[first : first + ANSWERS_AT_ONCE]
        of_harm: list[list[Tensor]] = [[] for _ in chunk]
        of_refusal: list[list[Tensor]] = [[] for _ in chunk]

        def score(
            numbers: Sequence[int],
            states: Tensor,
            of_harm: list[list[Tensor]] = of_harm,
            of_refusal: list[list[Tensor]] = of_refusal,
        ) -> None:
            for clusters, into in ((harmfulness, of_harm), (refusal, of_refusal)):
                if clusters is None:
                    continue
                scores = layer_scores(states, clusters.positive, clusters.negative)
                for number, own in zip(numbers, scores, strict=True):
                    into[number].append(own)

        seen = observe(
            model,
            chunk,
            max_new_tokens=max_new_tokens,
            of_replies=LastTokens(harmfulness.slots, score),
            progress=_from(first, len(prompts), progress),
        )
        for number, cell in _cells(seen, [len(one) for one in of_harm]).items():
            refused = torch.stack(of_refusal[number]) if refusal is not None else None
            found.append(Scored(cell, torch.stack(of_harm[number]), refused))
    return found


def _cells(seen: Behaviour, read: Sequence[int]) -> dict[int, Cell]:
    """The verdict cell of every answer of which a token was read."""
    return {
        number: cell_of(harmful=prompt.label == "harmful", refused=reply.refused)
        for number, (prompt, reply) in enumerate(zip(seen.prompts, seen.replies, strict=True))
        if read[number] and not reply.empty
    }


def _from(first: int, n: int, progress: Progress) -> Progress:
    """The progress of one chunk as that of all."""

    def forward(stage: str, done: int, total: int) -> None:
        progress(stage, first + done, n)

    return forward
