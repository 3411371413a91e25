"""The model answers, every token of its answers is read on the way, and only numbers are kept."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from latentguard._progress import Progress
from latentguard.beliefs import CELLS, Behaviour, Cell, cell_of, observe
from latentguard.beliefs.behaviour import MOST_NEW_TOKENS
from latentguard.data import Prompt
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
    model: LanguageModel, prompts: Sequence[Prompt], slots: tuple[int, ...], *, progress: Progress
) -> AnswerMeans:
    """Let the model answer labelled prompts, and take the mean of every answer's states over its tokens."""
    sums = torch.zeros((len(prompts), len(slots), model.hidden_size))
    counts = torch.zeros(len(prompts))

    def add(numbers: Sequence[int], states: Tensor) -> None:
        sums[list(numbers)] += states
        counts[list(numbers)] += 1

    seen = observe(
        model,
        prompts,
        max_new_tokens=MOST_NEW_TOKENS,
        of_replies=LastTokens(slots, add),
        progress=progress,
    )
    cells = _cells(seen, [int(count) for count in counts])
    kept = list(cells)
    return AnswerMeans(sums[kept] / counts[kept, None, None], tuple(cells.values()))


def scored(
    model: LanguageModel,
    prompts: Sequence[Prompt],
    probes: dict[Method, Probe],
    refusal: CentroidPair | None,
    slots: tuple[int, ...],
    *,
    max_new_tokens: int,
    progress: Progress,
) -> list[ScoredAnswer]:
    """Let the model answer labelled prompts, and score every token of its answers at every slot."""
    of_harm: list[dict[Method, list[Tensor]]] = [{method: [] for method in probes} for _ in prompts]
    of_refusal: list[list[Tensor]] = [[] for _ in prompts]

    def score(numbers: Sequence[int], states: Tensor) -> None:
        for method, probe in probes.items():
            for number, own in zip(numbers, probe.cell_scores(states), strict=True):
                of_harm[number][method].append(own)
        if refusal is not None:
            for number, own in zip(numbers, refusal.by_slot(states), strict=True):
                of_refusal[number].append(own)

    seen = observe(
        model,
        prompts,
        max_new_tokens=max_new_tokens,
        of_replies=LastTokens(slots, score),
        progress=progress,
    )
    read = [len(next(iter(one.values()))) for one in of_harm]
    return [
        ScoredAnswer(
            cell,
            {method: torch.stack(tokens) for method, tokens in of_harm[number].items()},
            torch.stack(of_refusal[number]) if refusal is not None else None,
        )
        for number, cell in _cells(seen, read).items()
    ]


def _cells(seen: Behaviour, read: Sequence[int]) -> dict[int, Cell]:
    """The verdict cell of every answer of which a token was read."""
    return {
        number: cell_of(harmful=prompt.label == "harmful", refused=reply.refused)
        for number, (prompt, reply) in enumerate(zip(seen.prompts, seen.replies, strict=True))
        if read[number] and not reply.empty
    }
