"""Edits in force: installed for this thread's runs, applied to their tokens, and gone afterwards.

Scopes are per prompt and know padding, the KV cache and generated tokens. An edit that touched no token in a
run is an error, and so is any call of the model that goes around this package while edits are active.
"""

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from latentguard.errors import EditMatchedNothing, LatentGuardError, UnscopedRun
from latentguard.lm.batch_layout import BatchLayout, current_layout
from latentguard.lm.blocks import Blocks, entering, stream_of, with_entering, with_stream
from latentguard.lm.edits.direction import AddDirection, ProjectOut, check_direction
from latentguard.lm.edits.heads import ReplaceHeads, ScaleHeads, check_heads
from latentguard.lm.edits.scope import scoped
from latentguard.lm.heads import HeadSite

Edit = AddDirection | ProjectOut | ScaleHeads | ReplaceHeads
Sites = Sequence[HeadSite | None]


@dataclass(slots=True, eq=False)
class Placed:
    """One edit at one place: a slot, or the heads of a block; and how many tokens it has touched there."""

    edit: Edit
    slot: int | None
    block: int | None
    change: Callable[[Tensor, BatchLayout], tuple[Tensor, int]]
    """What passes the place, changed, and how many of the running tokens were."""
    touched: int = field(default=0)

    @property
    def first_block(self) -> int:
        """The first block that this edit can change the run of."""
        return self.slot if self.slot is not None else self.block or 0

    def require_match(self) -> None:
        """Raise `EditMatchedNothing` where no token was touched."""
        if self.touched:
            return
        place = f"slot {self.slot}" if self.block is None else f"block {self.block}"
        scope = "" if isinstance(self.edit, ReplaceHeads) else f" with scope {self.edit.scope!r}"
        raise EditMatchedNothing(
            f"{type(self.edit).__name__} at {place}{scope} matched no token in this run.\n"
            "  What ran was the unedited model. Choose a scope and a place that this run has tokens in: "
            "a capture generates nothing and stops at the deepest place it reads."
        )


_ACTIVE: "ContextVar[tuple[Placed, ...]]" = ContextVar("latentguard_edits", default=())


@contextmanager
def edited(blocks: Blocks, edits: Sequence[Edit], hidden_size: int, sites: Sites = ()) -> Generator[None]:
    """Put `edits` in force for this package's runs in this thread, in the order given (blocks may nest)."""
    installed = placed(blocks, edits, hidden_size, sites)
    handles: list[RemovableHandle] = []
    token = _ACTIVE.set(_ACTIVE.get() + installed)
    try:
        handles.extend(_install(blocks, sites, one) for one in installed)
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
    """One run: raises `EditMatchedNothing` at its end where an edit in force touched no token at a place."""
    active = _ACTIVE.get()
    for one in active:
        one.touched = 0
    yield
    for one in active:
        one.require_match()


def placed(blocks: Blocks, edits: Sequence[Edit], hidden_size: int, sites: Sites = ()) -> tuple[Placed, ...]:
    """The edits at each of their places, checked. Raises `ValueError` for one that cannot be."""
    found: list[Placed] = []
    for edit in edits:
        if isinstance(edit, AddDirection | ProjectOut):
            check_direction(edit, len(blocks), hidden_size)
            found.append(Placed(edit, edit.slot, None, partial(_on_stream, edit, {})))
            continue
        check_heads(edit, sites)
        for block in sorted({block for block, _ in edit.heads}):
            site = sites[block]
            if site is not None:
                found.append(Placed(edit, None, block, partial(_on_heads, edit, site, block)))
    return tuple(found)


def _on_stream(
    edit: AddDirection | ProjectOut,
    vectors: dict[tuple[torch.device, torch.dtype], Tensor],
    stream: Tensor,
    layout: BatchLayout,
) -> tuple[Tensor, int]:
    found = scoped(edit.scope, layout, stream.device)
    if not found.tokens:
        return stream, 0
    kind = (stream.device, stream.dtype)
    if kind not in vectors:
        vectors[kind] = edit.vector(stream)
    return edit.applied(stream, found, vectors[kind]), found.tokens


def _on_heads(
    edit: ScaleHeads | ReplaceHeads, site: HeadSite, block: int, given: Tensor, layout: BatchLayout
) -> tuple[Tensor, int]:
    if isinstance(edit, ScaleHeads):
        found = scoped(edit.scope, layout, given.device)
        return (edit.applied(given, found.mask, site, block) if found.tokens else given), found.tokens
    of = layout.rows[0].of
    if edit.values.shape[0] not in (1, of):
        raise LatentGuardError(
            f"ReplaceHeads holds values for {edit.values.shape[0]} prompts, and {of} are run.\n"
            "  Give one value for all prompts, or one for each."
        )
    touched = len(edit.met(layout)[0])
    return (edit.applied(given, layout, site, block) if touched else given), touched


def _changing(active: Placed) -> Callable[[Tensor], Tensor | None]:
    """What a hook asks: the tensor to go on with, or None where nothing is changed."""
    owner = threading.get_ident()

    def changed(passing: Tensor) -> Tensor | None:
        if threading.get_ident() != owner:
            return None
        layout = current_layout()
        if layout is None:
            raise UnscopedRun(
                "The model was called directly while edits are active, so their scopes have no tokens to "
                "refer to.\n  Use LanguageModel.capture, generate or next_token_logits inside edited()."
            )
        result, touched = active.change(passing, layout)
        active.touched += touched
        return result if touched else None

    return changed


def _install(blocks: Blocks, sites: Sites, active: Placed) -> RemovableHandle:
    site = None if active.block is None else sites[active.block]
    if site is not None:
        return at_input(site.projection, _changing(active))
    return _at_slot(blocks, active.first_block, _changing(active))


def _at_slot(blocks: Blocks, slot: int, changed: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Hook the block that the slot enters; slot L is the last block's output."""
    if slot == len(blocks):

        def leaving(_: nn.Module, __: Any, output: Any) -> Any:
            stream = changed(stream_of(output))
            return None if stream is None else with_stream(output, stream)

        return blocks.layers[-1].register_forward_hook(leaving)

    def before(_: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        stream = changed(entering(arguments, keywords))
        return None if stream is None else with_entering(arguments, keywords, stream)

    return blocks.layers[slot].register_forward_pre_hook(before, with_kwargs=True)


def at_input(projection: nn.Module, changed: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    def before(_: nn.Module, arguments: tuple[Any, ...]) -> Any:
        given = changed(arguments[0])
        return None if given is None else (given, *arguments[1:])

    return projection.register_forward_pre_hook(before)
