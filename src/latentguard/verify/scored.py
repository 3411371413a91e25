"""Prompts of every class with what the model did and both beliefs, slot by slot; and the choice of slots."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from latentguard._progress import Progress
from latentguard.beliefs import Reading, Reply, observe, read
from latentguard.lm import LanguageModel
from latentguard.verify.classes import Parts, Planted

REPLY_TOKENS: Final = 16
"""A decision shows in the first words of a reply."""


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """One part of one class."""

    planted: Planted
    refused: tuple[bool, ...]
    """What the model did, as the default judge sees it; an empty reply is no refusal and no answer."""
    answered: tuple[bool, ...]
    """Whether there was a reply to judge."""
    harmfulness: Float[Tensor, "prompt slot"]
    refusal: Float[Tensor, "prompt slot"] | None
    """None where the reading has no refusal belief."""


def scored(
    model: LanguageModel,
    reading: Reading,
    classes: Sequence[Parts],
    part: Literal["validation", "test"],
    *,
    progress: Progress,
) -> list[Scored]:
    """One part of every class, run through the model and read."""
    members = [parts.validation if part == "validation" else parts.test for parts in classes]
    prompts = [prompt for prompts in members for prompt in prompts]
    behaviour = observe(model, prompts, max_new_tokens=REPLY_TOKENS, progress=progress)
    beliefs = read(model, reading, prompts, progress=progress)
    sizes = [len(prompts) for prompts in members]
    refusal = beliefs.refusal_by_slot
    by_class = zip(
        classes,
        _cut(behaviour.replies, sizes),
        beliefs.harmfulness_by_slot.split(sizes),
        [None] * len(sizes) if refusal is None else refusal.split(sizes),
        strict=True,
    )
    return [
        Scored(
            planted=parts.planted,
            refused=tuple(reply.refused for reply in replies),
            answered=tuple(not reply.empty for reply in replies),
            harmfulness=harmfulness,
            refusal=refusal,
        )
        for parts, replies, harmfulness, refusal in by_class
    ]


def _cut(items: Sequence[Reply], sizes: Sequence[int]) -> list[Sequence[Reply]]:
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    return [items[start : start + size] for start, size in zip(starts, sizes, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Scores by slot of some prompts, and whether each should be positive."""

    scores: Float[Tensor, "prompt slot"]
    positive: Bool[Tensor, "prompt"]

    def right(self, slots: Sequence[int]) -> list[bool]:
        """Whether the sign of the mean over `slots` is the true one, prompt by prompt; 0 is positive."""
        return ((self.scores[:, list(slots)].mean(dim=1) >= 0) == self.positive).tolist()


def best_slots(groups: Sequence[Truth]) -> tuple[int, ...]:
    """The run of neighbouring slots with the most right signs in its worst group; of equals, the longest.

    Slot 0 is no candidate: there a state is its token. A group without prompts has no say; where none has
    any, that leaves all slots from 1 on.
    """
    last = groups[0].scores.shape[1] - 1

    def quality(slots: range) -> tuple[float, int]:
        shares = [sum(right) / len(right) for right in (group.right(slots) for group in groups) if right]
        return min(shares, default=0.0), len(slots)

    runs = [range(first, stop) for first in range(1, last + 1) for stop in range(first + 1, last + 2)]
    return tuple(max(runs, key=quality))


def harm_truth(one: Scored) -> Truth:
    """Is the harmfulness belief positive where harm is planted?"""
    return Truth(one.harmfulness, torch.full((len(one.refused),), one.planted.harmful))


def decision_truth(classes: Sequence[Scored], *, harmful: bool, refused: bool) -> Truth:
    """Is the refusal belief positive where the model refused? On one verdict cell, by what the model did.

    An empty reply is in no cell. Raises `ValueError` where there is no refusal belief.
    """
    scores: list[Tensor] = []
    for one in classes:
        if one.refusal is None:
            raise ValueError(f"class {one.planted.name!r} was read without a refusal belief")
        if one.planted.harmful == harmful:
            in_cell = torch.tensor(one.refused) == refused
            scores.append(one.refusal[in_cell & torch.tensor(one.answered)])
    stacked = torch.cat(scores)
    return Truth(stacked, torch.full((len(stacked),), refused))
