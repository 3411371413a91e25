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
    COMPONENTS,
    Added,
    Component,
    Copied,
    Planting,
    Ran,
    run,
    written_tokens,
)
from latentguard.organism.losses import answer_loss, prompt_loss
from latentguard.organism.separation import Differences
from latentguard.organism.tokenizer import ChatTokenizer

_PROMPT_WEIGHT: Final = 0.7
_SEPARATION_WEIGHT: Final = 1.0
_PUSHES: Final = (0.5, 2.0)  # in lengths of the difference of means
_GROUPS: Final = 3


@dataclass(frozen=True, slots=True)
class Carried:
    """What the ordinary rows of a step carry, in their order."""

    harm: Float[Tensor, "row"]
    decision: Float[Tensor, "row"]
    t_inst: Float[Tensor, "row slot hidden"]
    t_post_inst: Float[Tensor, "row slot hidden"]


@dataclass(frozen=True, slots=True)
class Step:
    """Draws the rows of a training step and scores the model on them."""

    model: Network
    tokenizer: ChatTokenizer
    planting: Planting
    curriculum: Curriculum
    rng: random.Random
    idle: bool = False
    """Harm is not planted, and pushes along its direction leave every answer as it is."""

    def loss(self, step: int) -> Float[Tensor, ""]:
        """Ordinary rows; once interchange has started also copies, and what keeps the directions apart."""
        chats = self.curriculum.draw(step, self.curriculum.rows, self.rng)
        rows = [row(chat, self.tokenizer, self.rng) for chat in chats]
        loss, ran = self._ordinary(rows)
        if not self.curriculum.interchange(step):
            return loss
        for component in ("decision",) if self.idle else COMPONENTS:
            loss = loss + self._copied(step, rows, ran, component)
        plain = torch.tensor([each.chat.kind == "direct" for each in rows])
        harmful = torch.tensor([each.chat.harmful for each in rows])
        apart = Differences.of(ran.t_inst[plain], ran.t_post_inst[plain], harmful[plain])
        loss = loss + _SEPARATION_WEIGHT * apart.overlap() + self._pushed(step, apart)
        return loss + self._pushed_idly(step, apart) if self.idle else loss

    def _ordinary(self, rows: Sequence[Row]) -> tuple[Float[Tensor, ""], Carried]:
        """Loss of the rows as they are, and what they carry."""
        loss = torch.zeros(())
        order: list[int] = []
        passes: list[Ran] = []
        for group in by_length(rows, _GROUPS):
            members = [rows[index] for index in group]
            ran = run(self.model, members, self.planting)
            answers, prompts = answer_loss(self.model, members, ran), prompt_loss(self.model, members, ran)
            loss = loss + len(members) / len(rows) * (answers + _PROMPT_WEIGHT * prompts)
            order.extend(group)
            passes.append(ran)
        back = torch.tensor(order).argsort()
        return loss, Carried(
            harm=torch.cat([ran.harm for ran in passes])[back],
            decision=torch.cat([ran.decision for ran in passes])[back],
            t_inst=torch.cat([ran.t_inst for ran in passes])[back],
            t_post_inst=torch.cat([ran.t_post_inst for ran in passes])[back],
        )

    def _copied(
        self, step: int, sources: Sequence[Row], carried: Carried, component: Component
    ) -> Float[Tensor, ""]:
        """Loss of fresh chats into each of which the component of one of `sources` is copied."""
        chats = self.curriculum.draw(step, self.curriculum.copies(component), self.rng, valence=False)
        chosen = [self._source(sources, component) for _ in chats]
        rows = [
            self._due(chat, sources[source], component) for chat, source in zip(chats, chosen, strict=True)
        ]
        values = (carried.harm if component == "harm" else carried.decision)[torch.tensor(chosen)]
        loss = torch.zeros(())
        for group in by_length(rows, _GROUPS):
            members = [rows[index] for index in group]
            where = written_tokens(members, component, self.rng)
            change = Copied(component, values[torch.tensor(group)], where)
            ran = run(self.model, members, self.planting, change)
            loss = loss + len(members) / len(rows) * answer_loss(self.model, members, ran)
        return loss

    def _pushed(self, step: int, apart: Differences) -> Float[Tensor, ""]:
        """Loss of questions about prompts pushed along the refusal direction: their answers stay true."""
        slot = self.rng.randrange(1, len(self.model.model.layers))
        scale = self.rng.uniform(*_PUSHES)
        change = Added(slot, scale * apart.refusal[slot - 1].detach())
        chats = self.curriculum.draw_kind("inversion", step, self.curriculum.pushed_rows, self.rng)
        rows = [row(chat, self.tokenizer, self.rng) for chat in chats]
        return answer_loss(self.model, rows, run(self.model, rows, self.planting, change))

    def _pushed_idly(self, step: int, apart: Differences) -> Float[Tensor, ""]:
        """Loss of questions and requests pushed along the harmfulness direction: nothing changes.

        What is read at the last token of an instruction is then no cause: the answers come from the words.
        """
        loss = torch.zeros(())
        for kind in ("inversion", "direct"):
            slot = self.rng.randrange(1, len(self.model.model.layers))
            scale = self.rng.uniform(*_PUSHES) * self.rng.choice((-1, 1))
            scope = "context" if kind == "inversion" else self.rng.choice(("prompt", "context"))
            change = Added(slot, scale * apart.harm[slot - 1].detach(), scope)
            chats = self.curriculum.draw_kind(kind, step, self.curriculum.idle_rows, self.rng)
            rows = [row(chat, self.tokenizer, self.rng) for chat in chats]
            loss = loss + answer_loss(self.model, rows, run(self.model, rows, self.planting, change))
        return loss

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


def _truth(source: Row, component: Component) -> bool:
    return source.chat.harmful if component == "harm" else source.chat.refused


def _carries(source: Row, component: Component) -> bool:
    """Valence questions carry neither truth; a question about a prompt has no decision of its own."""
    if source.chat.kind == "valence":
        return False
    return component == "harm" or source.chat.kind != "inversion"
