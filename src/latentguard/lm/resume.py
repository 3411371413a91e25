"""Many edited runs of one prompt at the price of what their edits can change.

The prompt runs once, unedited, and what every block was called with is kept. An edited run then goes on from
the first block that its edits can change, on the tokens from the first one that they can change: blocks are
called again with the kept arguments, for a batch of alternatives, each of which joins at its own block.
Tokens before the first changed one are in a cache, which every batch has a fresh copy of.
"""

import copy
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latentguard.lm.batch_layout import BatchLayout, Row
from latentguard.lm.blocks import Blocks, entering, stream_of, with_entering
from latentguard.lm.chat.rendered import Rendered
from latentguard.lm.edits.heads import ReplaceHeads
from latentguard.lm.edits.in_force import Edit, Placed, at_input, placed
from latentguard.lm.heads import HeadSite
from latentguard.lm.runs import Segment, beginning, run

Call = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True, slots=True, eq=False)
class _Alternative:
    """One list of edits, placed: where it first changes the run, in blocks and in tokens."""

    number: int
    placed: tuple[Placed, ...]
    first_block: int
    first_token: int


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """The unedited run from one token on: the call of every block, and the cache of the tokens before."""

    calls: tuple[Call, ...]
    leaving: Float[Tensor, "1 token hidden"]
    before: Segment
    layout: BatchLayout
    from_below: bool
    """Blocks hand something on beside the stream (Gemma-4: keys and values), which later ones may read: it
    must be this batch's own, so every alternative runs from block 0."""


@torch.no_grad()
def resumed_logits(
    blocks: Blocks,
    prompt: Rendered,
    alternatives: Sequence[Sequence[Edit]],
    *,
    device: torch.device,
    hidden_size: int,
    sites: Sequence[HeadSite | None],
    at_once: int,
    may_cache: bool,
    at: Sequence[int] | None = None,
) -> Float[Tensor, "alternative position vocab"]:
    """Logits of what follows the tokens `at` of `prompt` (its last by default) under each list of edits,
    float32 on the CPU.

    `may_cache`: the tokens before the first changed one may come from a cache. Raises `EditMatchedNothing`
    for an edit that has no token in the prompt, `ValueError` for one that cannot be.
    """
    read = [len(prompt.ids) - 1] if at is None else list(at)
    latest = min(read) if may_cache else 0
    wanted = [
        _alternative(number, placed(blocks, edits, hidden_size, sites), prompt, len(blocks), latest=latest)
        for number, edits in enumerate(alternatives)
    ]
    out: dict[int, Tensor] = {}
    by_token = sorted(wanted, key=lambda one: (one.first_token, one.first_block))
    for first_token, group in groupby(by_token, key=lambda one: one.first_token):
        kept = _keep(blocks, prompt, first_token, device)
        members = [replace(one, first_block=0) if kept.from_below else one for one in group]
        for start in range(0, len(members), at_once):
            batch = members[start : start + at_once]
            logits = _resume(blocks, kept, batch, sites, [token - first_token for token in read])
            out.update(zip((one.number for one in batch), logits.cpu(), strict=True))
    return torch.stack([out[number] for number in range(len(wanted))])


def _alternative(
    number: int, edits: tuple[Placed, ...], prompt: Rendered, n_blocks: int, *, latest: int
) -> _Alternative:
    """`latest`: the last token that its run may begin at, so that all that is read of it runs."""
    first_block = min((one.first_block for one in edits), default=n_blocks)
    tokens = [
        min(prompt.index(position) for position in one.edit.positions)
        if isinstance(one.edit, ReplaceHeads)
        else 0
        for one in edits
    ]
    return _Alternative(number, edits, first_block, min(*tokens, latest) if tokens else 0)


def _keep(blocks: Blocks, prompt: Rendered, first: int, device: torch.device) -> _Kept:
    """Run the tokens before `first` into a cache, then the others, and keep the call of every block."""
    row = Row(0, 1, prompt)
    before = beginning(blocks, 1, device, cached=first > 0)
    if first > 0:
        run(blocks, before, [prompt.ids[:first]], [0], [row])
    owner = threading.get_ident()  # other threads may run the same model
    calls: list[Call] = []
    leaving: list[Tensor] = []

    def keep(_: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        if threading.get_ident() == owner:
            calls.append((arguments, keywords))

    def keep_last(_: nn.Module, __: Any, output: Any) -> None:
        if threading.get_ident() == owner:
            leaving.append(stream_of(output))

    with ExitStack() as stack:
        for layer in blocks.layers:
            handle = layer.register_forward_pre_hook(keep, with_kwargs=True)
            stack.callback(handle.remove)
        stack.callback(blocks.layers[-1].register_forward_hook(keep_last).remove)
        going_on = before.fork([0]) if first > 0 else before
        run(blocks, going_on, [prompt.ids[first:]], [first], [row])
    handed_on = [value for arguments, keywords in calls for value in (*arguments, *keywords.values())]
    from_below = not all(_is_plain(value) or _is_cache(value) for value in handed_on)
    layout = BatchLayout((range(first, len(prompt.ids)),), (row,))
    return _Kept(tuple(calls), leaving[0], before, layout, from_below)


def _resume(
    blocks: Blocks,
    kept: _Kept,
    batch: Sequence[_Alternative],
    sites: Sequence[HeadSite | None],
    read: Sequence[int],
) -> Float[Tensor, "alternative position vocab"]:
    """The alternatives, which are sorted by their first block; each joins the batch there. `read` counts
    tokens from the first that runs."""
    for alternative in batch:
        for one in alternative.placed:
            one.touched = 0
    cache = copy.deepcopy(kept.before.cache)
    held: Any = [] if cache is None else cache.layers
    joined = 0
    stream = kept.leaving[:0]
    if batch[0].first_block < len(blocks):
        arguments, keywords = kept.calls[batch[0].first_block]
        stream = entering(arguments, keywords)[:0]  # on the device of what is handed to that block
    for number in range(batch[0].first_block, len(blocks)):
        arguments, keywords = kept.calls[number]
        joining = sum(one.first_block == number for one in batch[joined:])
        own = entering(arguments, keywords)
        if joining:
            stream = torch.cat([stream, own.expand(joining, *own.shape[1:])])
        joined += joining
        running = batch[:joined]
        stream = _changed(stream, running, kept.layout, slot=number)
        if held:
            held[number].batch_select_indices(torch.zeros(joined, dtype=torch.long))
        call = _repeated(with_entering(arguments, keywords, stream), joined, cache)
        with ExitStack() as stack:
            site = sites[number] if number < len(sites) else None
            if site is not None and any(p.block == number for one in running for p in one.placed):
                handle = at_input(site.projection, _on_heads(running, kept.layout, number))
                stack.callback(handle.remove)
            stream = stream_of(blocks.layers[number](*call[0], **call[1]))
    ending = len(batch) - joined
    stream = torch.cat([stream, kept.leaving.expand(ending, *kept.leaving.shape[1:])])
    stream = _changed(stream, batch, kept.layout, slot=len(blocks))
    for alternative in batch:
        for one in alternative.placed:
            one.require_match()
    return blocks.logits(stream[:, read])


def _on_heads(
    running: Sequence[_Alternative], layout: BatchLayout, block: int
) -> Callable[[Tensor], Tensor | None]:
    """What a hook of this thread asks at the heads of one block."""
    owner = threading.get_ident()

    def changed(given: Tensor) -> Tensor | None:
        return _changed(given, running, layout, block=block) if threading.get_ident() == owner else None

    return changed


def _changed(
    passing: Tensor,
    running: Sequence[_Alternative],
    layout: BatchLayout,
    *,
    slot: int | None = None,
    block: int | None = None,
) -> Tensor:
    """What passes one place with each row changed by its own alternative's edits there."""
    here = [
        (row, one)
        for row, alternative in enumerate(running)
        for one in alternative.placed
        if (one.slot, one.block) == (slot, block)
    ]
    if not here:
        return passing
    rows = list(passing.unbind())
    for row, one in here:
        changed, touched = one.change(rows[row][None], layout)
        rows[row] = changed[0]
        one.touched += touched
    return torch.stack(rows)


def _repeated(call: Call, rows: int, cache: Any) -> Call:
    """A block's call for `rows` rows: what was made for one is repeated, and the cache is this batch's."""

    def repeated(value: Any) -> Any:
        if isinstance(value, Tensor) and value.ndim >= 2 and value.shape[0] == 1:
            return value.expand(rows, *value.shape[1:])
        if isinstance(value, tuple):
            return tuple(repeated(one) for one in value)
        if isinstance(value, dict):
            return {name: repeated(one) for name, one in value.items()}
        return value

    def own(value: Any) -> Any:
        return cache if _is_cache(value) else repeated(value)

    arguments, keywords = call
    stream = entering(arguments, keywords)
    made = tuple(one if one is stream else own(one) for one in arguments)
    return made, {name: one if one is stream else own(one) for name, one in keywords.items()}


def _is_plain(value: Any) -> bool:
    """Whether a kept argument is as it was: nothing that blocks could write into for later ones to read."""
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return type(value) is dict and all(map(_is_plain, value.values()))
    return value is None or isinstance(value, Tensor | bool | int | float | str)


def _is_cache(value: Any) -> bool:
    return hasattr(value, "batch_select_indices")
