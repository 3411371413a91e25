"""Edits of the residual stream: data, not code, in force inside a `with model.edited(edits):` block.

    AddDirection   h' = h + scale * direction
    ProjectOut     h' = h - (h . u) u,   u = direction / |direction|

applied to the state at one slot, on the tokens of one scope.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from latentguard.lm.edits.scope import Scope, Scoped


@dataclass(frozen=True, slots=True, eq=False)
class AddDirection:
    """Add `scale * direction` to the state at `slot`, on every token in `scope`."""

    slot: int
    direction: Float[Tensor, "hidden"]
    scale: float = 1.0
    scope: Scope = "prompt"

    @property
    def changes(self) -> bool:
        """False where nothing is added: the scale or the whole direction is 0."""
        return self.scale != 0 and bool(self.direction.any())

    def vector(self, like: Tensor) -> Float[Tensor, "hidden"]:
        """What is added, on the device and in the dtype of `like`; made once and used at every step.

        Adding -0.0 leaves every number as it is, bit for bit; adding +0.0 would turn -0.0 into +0.0.
        """
        vector = (self.direction.to(like.device, torch.float32) * self.scale).to(like.dtype)
        return torch.where(vector != 0, vector, -0.0)

    def applied(
        self, stream: Float[Tensor, "row token hidden"], scoped: Scoped, vector: Float[Tensor, "hidden"]
    ) -> Float[Tensor, "row token hidden"]:
        """The stream with `vector` added where `scoped` holds; `stream` itself is not changed. One operation
        where every token is in scope, as in a step of generation."""
        return stream + (vector if scoped.whole else torch.where(scoped.mask[..., None], vector, -0.0))


@dataclass(frozen=True, slots=True, eq=False)
class ProjectOut:
    """Remove the component along `direction` from the state at `slot`, on every token in `scope`."""

    slot: int
    direction: Float[Tensor, "hidden"]
    scope: Scope = "prompt"

    @property
    def changes(self) -> bool:
        """Always: a state without any part along the direction is the exception."""
        return True

    def vector(self, like: Tensor) -> Float[Tensor, "hidden"]:
        """The unit direction, float32, on the device of `like`; made once and used at every step."""
        wide = self.direction.to(like.device, torch.float32)
        return wide / wide.norm()

    def applied(
        self, stream: Float[Tensor, "row token hidden"], scoped: Scoped, vector: Float[Tensor, "hidden"]
    ) -> Float[Tensor, "row token hidden"]:
        """The stream without its part along `vector` where `scoped` holds; computed in float32."""
        wide = stream.float()
        without = (wide - (wide @ vector)[..., None] * vector).to(stream.dtype)
        return without if scoped.whole else torch.where(scoped.mask[..., None], without, stream)


def check_direction(edit: "AddDirection | ProjectOut", n_blocks: int, hidden_size: int) -> None:
    """Raise `ValueError` for a slot that does not exist or a direction that cannot be one."""
    name = type(edit).__name__
    if not 0 <= edit.slot <= n_blocks:
        raise ValueError(f"{name}: slot {edit.slot} does not exist; this model has slots 0..{n_blocks}")
    if tuple(edit.direction.shape) != (hidden_size,):
        raise ValueError(
            f"{name}: direction has shape {tuple(edit.direction.shape)}, the stream is ({hidden_size},)"
        )
    if not bool(torch.isfinite(edit.direction).all()):
        raise ValueError(f"{name}: direction at slot {edit.slot} holds NaN or infinity")
    if isinstance(edit, ProjectOut) and not bool(edit.direction.any()):
        raise ValueError(f"{name}: direction at slot {edit.slot} is zero, there is nothing to project out")
