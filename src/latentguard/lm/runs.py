"""Calling the decoder: padded segments with explicit positions, and a shared beginning run only once.

Everything here works on right-padded rows. A segment continues a cache of earlier segments; padding
between segments is masked, and position ids count a prompt's own tokens, so a token's state does not
depend on what else rides in its batch (to the rounding of the matrix products).
"""

import copy
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.hooks import RemovableHandle
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from latentguard.lm.batch_layout import BatchLayout, Row, announced, padded
from latentguard.lm.blocks import Blocks


@dataclass(slots=True, eq=False)
class Segment:
    """What has run so far of a batch: its cache, and which cached tokens are real."""

    cache: DynamicCache | None
    seen: Int[Tensor, "row cached"]
    """1 where the cache holds a token, 0 where it holds padding."""

    def fork(self, rows: Sequence[int]) -> "Segment":
        """A copy whose rows are these rows of this one, repeats allowed; this one can be continued again."""
        return Segment(copy.deepcopy(self.cache), self.seen).spread(rows)

    def spread(self, rows: Sequence[int]) -> "Segment":
        """These rows of this one, repeats allowed, without keeping the old."""
        # on the CPU: the cache of each block may have a device of its own
        index = torch.tensor(rows, dtype=torch.long)
        if self.cache is not None:
            self.cache.batch_select_indices(index)
        return Segment(self.cache, self.seen[index])

    @property
    def joins(self) -> bool:
        """Whether its cache is plain keys and values of every block, which may be padded anywhere."""
        return self.cache is not None and all(type(one) is DynamicLayer for one in self.cache.layers)

    def joined(self, other: "Segment") -> "Segment":
        """The rows of both, this one's first, without keeping either; both `joins`. Where it raises, both are
        as they were."""
        assert self.cache is not None
        assert other.cache is not None
        width = max(self.seen.shape[1], other.seen.shape[1])
        seen = torch.cat([pad(one, (0, width - one.shape[1])) for one in (self.seen, other.seen)])
        made: list[Tensor] = []  # all of it before any is taken over: memory may end on the way
        for own, others in zip(self.cache.layers, other.cache.layers, strict=True):
            for name in ("keys", "values"):
                both = (getattr(own, name), getattr(others, name))
                made.append(torch.cat([pad(one, (0, 0, 0, width - one.shape[-2])) for one in both]))
        for number, tensor in enumerate(made):
            setattr(self.cache.layers[number // 2], ("keys", "values")[number % 2], tensor)
        return Segment(self.cache, seen)

    def trimmed(self) -> "Segment":
        """Without the places at which no row holds a token, without keeping the old; it `joins`."""
        used = self.seen.any(dim=0)
        if bool(used.all()):
            return self
        assert self.cache is not None
        index = used.nonzero()[:, 0]
        for layer in self.cache.layers:
            for name in ("keys", "values"):
                held = getattr(layer, name)
                setattr(layer, name, held.index_select(-2, index.to(held.device)))
        return Segment(self.cache, self.seen[:, index])


@contextmanager
def spreading(blocks: Blocks, segment: Segment, rows: Sequence[int]) -> Generator[Segment]:
    """As `Segment.spread`, for the last run of a segment, in the memory of one block's cache.

    Inside the `with` block a block's keys and values are spread when the block is about to run, and dropped
    when it has run: whole, they would be larger than everything else that a batch needs.
    """
    index = torch.tensor(rows, dtype=torch.long)
    held: Any = [] if segment.cache is None else segment.cache.layers
    if len(held) != len(blocks) or getattr(blocks.config, "num_kv_shared_layers", 0):
        yield segment.spread(rows)  # no cache, or not one part a block, or parts that later blocks read again
        return
    owner = threading.get_ident()

    def spread(number: int, *_: object) -> None:
        if threading.get_ident() == owner:
            held[number].batch_select_indices(index)

    def drop(number: int, *_: object) -> None:
        if threading.get_ident() == owner:
            for name in ("keys", "values"):  # of the shape they had: some models ask how long the cache is
                kept = getattr(held[number], name)
                setattr(held[number], name, kept.new_zeros(()).expand(kept.shape))

    handles: list[RemovableHandle] = []
    try:
        for number, layer in enumerate(blocks.layers):
            handles.append(layer.register_forward_pre_hook(partial(spread, number)))
            handles.append(layer.register_forward_hook(partial(drop, number)))
        yield Segment(segment.cache, segment.seen[index])
    finally:
        for handle in handles:
            handle.remove()


def beginning(blocks: Blocks, rows: int, device: torch.device, *, cached: bool) -> Segment:
    """A segment with nothing in it yet."""
    cache = DynamicCache(config=blocks.config) if cached else None
    return Segment(cache, torch.zeros((rows, 0), dtype=torch.long, device=device))


@torch.no_grad()
def run(
    blocks: Blocks,
    before: Segment,
    sequences: Sequence[Sequence[int]],
    start: Sequence[int],
    rows: Sequence[Row],
) -> Float[Tensor, "row token hidden"]:
    """Run `sequences` (rows of token ids, the first at index `start[row]`) on from `before`, which grows.

    Returns the decoder's output, past its final norm, for the right-padded rows.
    """
    device = before.seen.device
    ids, index = padded(sequences, start, 0, device)
    real = (index >= 0).long()
    before.seen = torch.cat([before.seen, real], dim=1)
    keywords: dict[str, Any] = {"past_key_values": before.cache, "use_cache": before.cache is not None}
    spans = tuple(range(first, first + len(one)) for one, first in zip(sequences, start, strict=True))
    with announced(BatchLayout(spans, tuple(rows))):
        output = blocks.decoder(
            input_ids=ids, attention_mask=before.seen, position_ids=index.clamp(min=0), **keywords
        )
    return output[0]
