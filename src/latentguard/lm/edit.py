"""Edits of the residual stream: data, not code, in force inside a `with model.edited(edits):` block.

    AddDirection   h' = h + scale * direction
    ProjectOut     h' = h - (h . u) u,   u = direction / |direction|

applied to the state at one slot, on the tokens of one scope.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from latentguard.lm.scope import Scope


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

    def applied(
        self, stream: Float[Tensor, "row token hidden"], mask: Bool[Tensor, "row token"]
    ) -> Float[Tensor, "row token hidden"]:
        """The stream with `scale * direction` added where `mask` holds; `stream` itself is not changed."""
        vector = (self.direction.to(stream.device, torch.float32) * self.scale).to(stream.dtype)
        # Adding -0.0 leaves every number as it is, bit for bit; adding +0.0 would turn -0.0 into +0.0.
        nothing = torch.full_like(vector, -0.0)
        return stream + torch.where(mask[..., None] & (vector != 0), vector, nothing)


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

    def applied(
        self, stream: Float[Tensor, "row token hidden"], mask: Bool[Tensor, "row token"]
    ) -> Float[Tensor, "row token hidden"]:
        """The stream without its part along the direction where `mask` holds; computed in float32."""
        unit = self.direction.to(stream.device, torch.float32)
        unit = unit / unit.norm()
        wide = stream.float()
        without = wide - (wide @ unit)[..., None] * unit
        return torch.where(mask[..., None], without.to(stream.dtype), stream)


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
