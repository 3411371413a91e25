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
from typing import Final, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from latentguard.organism.architecture import Network, slots
from latentguard.organism.batches import Row, padded

HARM_SLOT = 3
DECISION_SLOT = 6

Component = Literal["harm", "decision"]
COMPONENTS: Final[tuple[Component, ...]] = ("harm", "decision")
_POSITIONS: Final = ("t_inst", "t_post_inst")


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


@dataclass(frozen=True, slots=True)
class Added:
    """A vector added at one slot to the prompt tokens of every row, as an edit does."""

    slot: int
    vector: Float[Tensor, "hidden"]
    scope: Literal["prompt", "context"] = "prompt"
    """`context`: up to the end of what a question is asked about, and of any other chat's instruction."""


def source_position(row: Row, component: Component) -> int:
    return row.encoded.read_harm if component == "harm" else row.encoded.t_post_inst


def written_tokens(
    rows: Sequence[Row], component: Component, rng: random.Random
) -> Bool[Tensor, "row token"]:
    """Where each row takes the copy: at the planted token alone or, in half of the rows, before it too.

    Both are trained because both are used: reading is done at one token, steering on all of them. Harm is
    never written after the instruction, so that the template's own tokens have no reason to carry it.
    """
    where = torch.zeros(len(rows), max(len(row.ids) for row in rows), dtype=torch.bool)
    for index, row in enumerate(rows):
        last = source_position(row, component)
        first = last if rng.random() < 0.5 else 0
        if first == 0 and component == "harm":
            first = rng.choice((0, row.encoded.first))
        where[index, first : last + 1] = True
    return where


def _write(
    states: Float[Tensor, "row token hidden"], direction: Float[Tensor, "hidden"], copied: Copied
) -> Float[Tensor, "row token hidden"]:
    change = copied.values[:, None] - states @ direction
    return states + torch.where(copied.where, change, 0.0)[..., None] * direction


def _add(
    states: Float[Tensor, "row token hidden"], rows: Sequence[Row], added: Added
) -> Float[Tensor, "row token hidden"]:
    ends = [len(row.encoded.ids) if added.scope == "prompt" else row.encoded.read_harm + 1 for row in rows]
    in_scope = torch.arange(states.shape[1]) < torch.tensor(ends)[:, None]
    return states + in_scope[..., None] * added.vector


@dataclass(frozen=True, slots=True)
class Ran:
    """What one pass over a group of rows gave."""

    last: Float[Tensor, "row token hidden"]  # slot L
    harm: Float[Tensor, "row"]  # component along the planted direction at the planted token
    decision: Float[Tensor, "row"]
    t_inst: Float[Tensor, "row slot hidden"]  # slots 1..L
    t_post_inst: Float[Tensor, "row slot hidden"]


def run(model: Network, rows: Sequence[Row], planting: Planting, change: Copied | Added | None = None) -> Ran:
    """Run `rows`, making `change` on the way, and read both planted components and both positions."""
    passing = slots(model, padded(rows))
    everyone = torch.arange(len(rows))
    places = {name: torch.tensor([getattr(row.encoded, name) for row in rows]) for name in _POSITIONS}
    states: dict[str, list[Tensor]] = {name: [] for name in _POSITIONS}
    read: dict[Component, Tensor] = {}
    state = next(passing)
    for slot in range(len(model.model.layers)):
        if isinstance(change, Added) and change.slot == slot:
            state = _add(state, rows, change)
        for component in COMPONENTS:
            if planting.slot(component) != slot:
                continue
            if isinstance(change, Copied) and change.component == component:
                state = _write(state, planting.direction(component), change)
            tokens = torch.tensor([source_position(row, component) for row in rows])
            read[component] = state[everyone, tokens] @ planting.direction(component)
        state = passing.send(state)
        for name in _POSITIONS:
            states[name].append(state[everyone, places[name]])
    at = {name: torch.stack(states[name], dim=1) for name in _POSITIONS}
    return Ran(state, read["harm"], read["decision"], at["t_inst"], at["t_post_inst"])
