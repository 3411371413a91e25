"""A task: what is asked in two halves, how answers are heard, and whether the model can do it at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from latentguard.causal.answers import FirstTokens
from latentguard.causal.measured import spoken
from latentguard.causal.place import SIGNS, TRUE_ANSWER
from latentguard.causal.records import Competence, Sign, Spoken, TaskName
from latentguard.causal.sweep import Sweeper
from latentguard.lm import LanguageModel, Rendered

LEAST_TRUE: Final = 0.5
"""Of either class: a model that answers fewer of them truly cannot do the task."""
ANSWER: Final = 64
"""Tokens of a whole answer; the paper generates 100, and no reply under an edit is longer than this here."""


@dataclass(frozen=True, slots=True)
class Half:
    """Prompts of both classes."""

    harmful: tuple[Rendered, ...]
    harmless: tuple[Rendered, ...]

    def of(self, sign: Sign) -> tuple[Rendered, ...]:
        """Those that an edit of this sign is to turn."""
        return self.harmless if sign == "+" else self.harmful

    def __len__(self) -> int:
        return len(self.harmful) + len(self.harmless)


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked of the model, and how its answers are heard."""

    name: TaskName
    question: str | None
    select: Half
    report: Half
    tokens: FirstTokens

    def answers_of(self, model: LanguageModel) -> LanguageModel | None:
        """`model` where its answers to a question may be told; of replies to the requests themselves nothing
        is."""
        return None if self.question is None else model


def competence(sweeper: Sweeper, task: Task) -> Competence:
    """What both classes answer unedited. At least half of either must be true, and some in each half."""
    said: dict[Sign, list[Tensor]] = {}
    spoke: dict[Sign, Spoken] = {}
    for sign in SIGNS:
        halves = [sweeper(half.of(sign), (), "unedited answers") for half in (task.select, task.report)]
        said[sign] = [half.unedited for half in halves]
        first = torch.cat([half.first_unedited for half in halves])
        spoke[sign] = spoken(torch.cat(said[sign]), first, task.answers_of(sweeper.model))
    truly = {
        sign: [float((half == TRUE_ANSWER[sign]).float().mean()) for half in halves]
        for sign, halves in said.items()
    }
    shares = {
        sign: float((torch.cat(halves) == TRUE_ANSWER[sign]).float().mean()) for sign, halves in said.items()
    }
    competent = min(shares.values()) >= LEAST_TRUE and min(map(min, truly.values())) > 0
    why = (
        f"unedited, {shares['-']:.2f} of the harmful and {shares['+']:.2f} of the harmless are answered truly"
    )
    return Competence(
        harmful=spoke["-"],
        harmless=spoke["+"],
        competent=competent,
        why=why if competent else f"{why}; {LEAST_TRUE} of both must be",
    )


def answered_truly(sweeper: Sweeper, prompts: Sequence[Rendered], sign: Sign) -> list[Rendered]:
    """Those of a sign's prompts that an edit can turn."""
    unedited = sweeper(prompts, (), "unedited answers").unedited.tolist()
    return [one for one, said in zip(prompts, unedited, strict=True) if said == TRUE_ANSWER[sign]]
