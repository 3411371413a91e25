"""Edits of the residual stream: data, not code, in force inside a `with model.edited(edits):` block.

    AddDirection   h' = h + scale * direction
    ProjectOut     h' = h - (h . u) u,   u = direction / |direction|

applied to the state at one slot, on the tokens of one scope. Scopes are per prompt and know padding,
the KV cache and generated tokens. An edit that touched no token in a run is an error, and so is any call
of the model that goes around this package while edits are active.
"""

import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from latentguard.errors import EditMatchedNothing, LatentGuardError, UnscopedRun
from latentguard.lm.batch_layout import BatchLayout, current_layout
from latentguard.lm.blocks import Blocks, entering, stream_of, with_entering, with_stream

Scope = Literal["prompt", "context", "generated", "all"]


@dataclass(frozen=True, slots=True, eq=False)
class AddDirection:
    """Add `scale * direction` to the state at `slot`, on every token in `scope`.

    `scope`: "prompt" (every token of the templated prompt), "context" (the prompt's tokens before its
    `context_end`, see `ChatTemplate.render`), "generated" (tokens after the prompt), "all".
    """

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


Edit = AddDirection | ProjectOut


@dataclass(slots=True, eq=False)
class _Active:
    """One installed edit and how many tokens it has touched since the run began."""

    edit: Edit
    touched: int = field(default=0)


_ACTIVE: "ContextVar[tuple[_Active, ...]]" = ContextVar("latentguard_edits", default=())


@contextmanager
def edited(blocks: Blocks, edits: Sequence[Edit], hidden_size: int) -> Generator[None]:
    """Put `edits` in force for this package's runs in this thread, in the order given (blocks may nest)."""
    for edit in edits:
        _check(edit, len(blocks), hidden_size)
    installed = tuple(_Active(edit) for edit in edits)
    handles: list[RemovableHandle] = []
    token = _ACTIVE.set(_ACTIVE.get() + installed)
    try:
        handles.extend(_install(blocks, active) for active in installed)
        yield
    finally:
        _ACTIVE.reset(token)
        for handle in handles:
            handle.remove()


def any_active() -> bool:
    """Whether edits are in force in this thread."""
    return bool(_ACTIVE.get())


def any_changing() -> bool:
    """Whether an edit in force in this thread can change a state: one of scale 0 cannot."""
    return any(one.edit.changes for one in _ACTIVE.get())


@contextmanager
def every_edit_must_match() -> Generator[None]:
    """One run: raises `EditMatchedNothing` at its end where an edit in force touched no token at all."""
    active = _ACTIVE.get()
    for one in active:
        one.touched = 0
    yield
    for one in active:
        if one.touched == 0:
            raise EditMatchedNothing(
                f"{type(one.edit).__name__} at slot {one.edit.slot} with scope {one.edit.scope!r} matched no "
                "token in this run.\n"
                "  What ran was the unedited model. Choose a scope and a slot that this run has tokens in: a "
                "capture generates nothing and stops at the deepest slot it reads."
            )


def scope_mask(scope: Scope, layout: BatchLayout) -> Bool[Tensor, "row token"]:
    """Which tokens of a running batch are in scope. Padding never is.

    Raises `EditMatchedNothing` where no token stands before a prompt's `context_end`, and `LatentGuardError`
    where a prompt was rendered without one.
    """
    real = layout.index >= 0
    prompt = real & (layout.index < layout.prompt_tokens[:, None])
    match scope:
        case "prompt":
            return prompt
        case "context":
            _require_contexts(layout)
            return prompt & (layout.index < layout.context_end[:, None])
        case "generated":
            return real & ~prompt
        case "all":
            return real


def _require_contexts(layout: BatchLayout) -> None:
    if bool((layout.context_end < 0).any()):
        raise LatentGuardError(
            "An edit has the scope 'context', but a prompt of this run was rendered without one.\n"
            "  Render it with ChatTemplate.render(conversation, context=...) and run what that returns."
        )
    if bool((layout.context_end == 0).any()):
        raise EditMatchedNothing(
            "An edit has the scope 'context', and a prompt of this run has no token before its context's end."
        )


def _install(blocks: Blocks, active: _Active) -> RemovableHandle:
    """Hook the block that the edit's slot enters; slot L is the last block's output."""
    owner = threading.get_ident()

    def changed(stream: Tensor) -> Tensor | None:
        if threading.get_ident() != owner:
            return None
        layout = current_layout()
        if layout is None:
            raise UnscopedRun(
                "The model was called directly while edits are active, so their scopes have no tokens to "
                "refer to.\n  Use LanguageModel.capture, generate or next_token_logits inside edited()."
            )
        mask = scope_mask(active.edit.scope, layout)
        count = int(mask.sum())
        if count == 0:
            return None
        active.touched += count
        return active.edit.applied(stream, mask)

    if active.edit.slot == len(blocks):

        def leaving(_: nn.Module, __: Any, output: Any) -> Any:
            stream = changed(stream_of(output))
            return None if stream is None else with_stream(output, stream)

        return blocks.layers[-1].register_forward_hook(leaving)

    def before(_: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        stream = changed(entering(arguments, keywords))
        return None if stream is None else with_entering(arguments, keywords, stream)

    return blocks.layers[active.edit.slot].register_forward_pre_hook(before, with_kwargs=True)


def _check(edit: Edit, n_blocks: int, hidden_size: int) -> None:
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
