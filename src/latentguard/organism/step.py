"""The loss of one training step: chats as they are, and chats that carry another's harm or decision."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from latentguard.organism.architecture import Network
from latentguard.organism.batches import Row, by_length, row
from latentguard.organism.curriculum import Curriculum
from latentguard.organism.grammar import Chat
from latentguard.organism.interchange import (
    Component,
    Copied,
    Planting,
    answer_loss,
    prompt_loss,
    run,
    written_tokens,
)
from latentguard.organism.tokenizer import ChatTokenizer

_PROMPT_WEIGHT: Final = 0.7
_GROUPS: Final = 3


@dataclass(frozen=True, slots=True)
class Step:
    """Draws the rows of a training step and scores the model on them."""

    model: Network
    tokenizer: ChatTokenizer
    planting: Planting
    curriculum: Curriculum
    rng: random.Random

    def loss(self, step: int) -> Float[Tensor, ""]:
        """Answers and prompts of the ordinary rows, and the answers of both kinds of copies, in nats."""
        chats = self.curriculum.draw(step, self.curriculum.rows, self.rng)
        rows = [row(chat, self.tokenizer, self.rng) for chat in chats]
        loss, carried = self._ordinary(rows)
        if self.curriculum.interchange(step):
            counts: dict[Component, int] = {
                "harm": self.curriculum.harm_rows,
                "decision": self.curriculum.decision_rows,
            }
            for component, count in counts.items():
                receivers = self.curriculum.draw(step, count, self.rng, valence=False)
                sources = [self._source(rows, component) for _ in receivers]
                copies = [
                    self._due(chat, rows[source], component)
                    for chat, source in zip(receivers, sources, strict=True)
                ]
                loss = loss + self._copied(copies, component, carried[component][torch.tensor(sources)])
        return loss

    def _ordinary(
        self, rows: Sequence[Row]
    ) -> tuple[Float[Tensor, ""], dict[Component, Float[Tensor, "row"]]]:
        """Loss of the rows as they are, and what they carry along both planted directions."""
        loss = torch.zeros(())
        harm, decision = torch.zeros(len(rows)), torch.zeros(len(rows))
        for group in by_length(rows, _GROUPS):
            members = [rows[index] for index in group]
            ran = run(self.model, members, self.planting)
            answers, prompts = answer_loss(self.model, members, ran), prompt_loss(self.model, members, ran)
            loss = loss + len(members) / len(rows) * (answers + _PROMPT_WEIGHT * prompts)
            places = (torch.tensor(group),)
            harm = harm.index_put(places, ran.harm)
            decision = decision.index_put(places, ran.decision)
        return loss, {"harm": harm, "decision": decision}

    def _source(self, rows: Sequence[Row], component: Component) -> int:
        """A row to copy from: each truth as often as the other, where the step's rows have both."""
        usable = [index for index, each in enumerate(rows) if _carries(each, component)]
        wanted = self.rng.random() < 0.5
        matching = [index for index in usable if _truth(rows[index], component) == wanted]
        return self.rng.choice(matching or usable)

    def _due(self, chat: Chat, source: Row, component: Component) -> Row:
        """`chat` with the answer that is due once it carries the source's truth."""
        truth = _truth(source, component)
        if component == "harm":
            return row(chat, self.tokenizer, self.rng, harmful=truth)
        return row(chat, self.tokenizer, self.rng, refused=truth)

    def _copied(
        self, rows: Sequence[Row], component: Component, values: Float[Tensor, "row"]
    ) -> Float[Tensor, ""]:
        loss = torch.zeros(())
        for group in by_length(rows, _GROUPS):
            members = [rows[index] for index in group]
            where = written_tokens(members, component, self.rng)
            copied = Copied(component, values[torch.tensor(group)], where)
            ran = run(self.model, members, self.planting, copied)
            loss = loss + len(members) / len(rows) * answer_loss(self.model, members, ran)
        return loss


def _truth(source: Row, component: Component) -> bool:
    return source.chat.harmful if component == "harm" else source.chat.refused


def _carries(source: Row, component: Component) -> bool:
    """Valence questions carry neither truth; a question about a prompt has no decision of its own."""
    if source.chat.kind == "valence":
        return False
    return component == "harm" or source.chat.kind != "inversion"
