"""Interchange intervention training: one component of one state is made to carry what the answers follow.

Two fixed orthogonal unit directions: `harm` at the last instruction token of one slot, `decision` at the last
prompt token of a later one. In a training row the component along a direction is replaced by what another
prompt has there, and the answer due is the one that the copied truth calls for. After Geiger et al. 2022
(interchange intervention training) and InterpBench (Gupta et al. 2024). Without it a trained belief can be
read and is idle: the answer then comes from the words.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from latentguard.organism.architecture import Network, logits, slots
from latentguard.organism.batches import Row, padded

HARM_SLOT = 3
DECISION_SLOT = 6

Component = Literal["harm", "decision"]


@dataclass(frozen=True, slots=True)
class Planting:
    """Where harm and decision are planted: unit directions and the slots whose states carry them."""

    harm: Float[Tensor, "hidden"]
    decision: Float[Tensor, "hidden"]
    harm_slot: int = HARM_SLOT
    decision_slot: int = DECISION_SLOT

    @classmethod
    def draw(
        cls, hidden: int, *, seed: int, harm_slot: int = HARM_SLOT, decision_slot: int = DECISION_SLOT
    ) -> "Planting":
        """Two random orthogonal unit directions."""
        generator = torch.Generator().manual_seed(seed)
        basis, _ = torch.linalg.qr(torch.randn(hidden, 2, generator=generator))
        return cls(basis[:, 0].contiguous(), basis[:, 1].contiguous(), harm_slot, decision_slot)

    def direction(self, component: Component) -> Float[Tensor, "hidden"]:
        return self.harm if component == "harm" else self.decision

    def slot(self, component: Component) -> int:
        return self.harm_slot if component == "harm" else self.decision_slot


@dataclass(frozen=True, slots=True)
class Copied:
    """A component to write into each row: the values, and the tokens at which they are written."""

    component: Component
    values: Float[Tensor, "row"]
    where: Bool[Tensor, "row token"]


def source_position(row: Row, component: Component) -> int:
    return row.encoded.read_harm if component == "harm" else row.encoded.t_post_inst


def written_tokens(
    rows: Sequence[Row], component: Component, rng: random.Random
) -> Bool[Tensor, "row token"]:
    """Where each row takes the copy: at the planted token alone or, in half of the rows, before it too.

    Both are trained because both are used: reading is done at one token, steering on all of them.
    """
    where = torch.zeros(len(rows), max(len(row.ids) for row in rows), dtype=torch.bool)
    for index, row in enumerate(rows):
        last = source_position(row, component)
        first = last if rng.random() < 0.5 else 0
        if first == 0 and component == "harm":
            first = rng.choice((0, row.encoded.first))
            if row.chat.context is None:
                last = rng.choice((last, row.encoded.t_post_inst))
        where[index, first : last + 1] = True
    return where


def _write(
    states: Float[Tensor, "row token hidden"], direction: Float[Tensor, "hidden"], copied: Copied
) -> Float[Tensor, "row token hidden"]:
    change = copied.values[:, None] - states @ direction
    return states + torch.where(copied.where, change, 0.0)[..., None] * direction


@dataclass(frozen=True, slots=True)
class Ran:
    """What one pass over a group of rows gave."""

    last: Float[Tensor, "row token hidden"]  # slot L
    harm: Float[Tensor, "row"]  # component along the planted direction at the planted token
    decision: Float[Tensor, "row"]


def run(model: Network, rows: Sequence[Row], planting: Planting, copied: Copied | None = None) -> Ran:
    """Run `rows`, writing `copied` on the way, and read both planted components."""
    passing = slots(model, padded(rows))
    everyone = torch.arange(len(rows))
    read: dict[Component, Tensor] = {}
    state = next(passing)
    for slot in range(len(model.model.layers)):
        for component in ("harm", "decision"):
            if planting.slot(component) != slot:
                continue
            if copied is not None and copied.component == component:
                state = _write(state, planting.direction(component), copied)
            tokens = torch.tensor([source_position(row, component) for row in rows])
            read[component] = state[everyone, tokens] @ planting.direction(component)
        state = passing.send(state)
    return Ran(state, read["harm"], read["decision"])


def answer_loss(model: Network, rows: Sequence[Row], ran: Ran) -> Float[Tensor, ""]:
    """Mean over rows of the mean surprise of the answer's tokens, in nats."""
    places = [(i, len(row.encoded.ids) - 1 + j) for i, row in enumerate(rows) for j in range(len(row.answer))]
    targets = torch.tensor([token for row in rows for token in row.answer])
    weights = torch.tensor([1 / (len(rows) * len(row.answer)) for row in rows for _ in row.answer])
    return (_surprise(model, ran.last, places, targets) * weights).sum()


def prompt_loss(model: Network, rows: Sequence[Row], ran: Ran) -> Float[Tensor, ""]:
    """Mean surprise of the prompts' own tokens, in nats: what makes the trailing clause worth knowing."""
    places = [(i, j) for i, row in enumerate(rows) for j in range(len(row.encoded.ids) - 1)]
    targets = torch.tensor([token for row in rows for token in row.encoded.ids[1:]])
    return _surprise(model, ran.last, places, targets).mean()


def _surprise(
    model: Network, last: Tensor, places: list[tuple[int, int]], targets: Tensor
) -> Float[Tensor, "place"]:
    index = torch.tensor(places)
    said = logits(model, last[index[:, 0], index[:, 1]])
    return torch.nn.functional.cross_entropy(said, targets, reduction="none")
