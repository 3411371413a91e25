"""Prompts that are about to be continued: the beginning they share runs once, the rest batch by batch."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import groupby

import torch
from jaxtyping import Float
from torch import Tensor

from latentguard.lm.batch_layout import Row
from latentguard.lm.batches import batches, plan, shared_beginning
from latentguard.lm.blocks import Blocks
from latentguard.lm.chat import Rendered
from latentguard.lm.edits.in_force import any_changing
from latentguard.lm.held import Held
from latentguard.lm.replies.reply import Reply
from latentguard.lm.replies.watching import LastTokens, Reading
from latentguard.lm.runs import Segment, beginning, run

_DEAR = 1 << 40
"""What it costs to start a run of replies, in tokens: more than any padding, as every new token is a run."""


class Prefill:
    """Prompts about to be continued, and the beginning they share, which runs once.

    `share`: a beginning may run once. `level`: the rows of a batch are equally long and none leaves it before
    all have ended, so that a cache never holds padding and is never reordered: for a model whose attention
    window the padding would count towards, or whose cache cannot be forked. `before`: the token at which a
    shared beginning ends at the latest, because it is read of every prompt. `held`: a beginning that need
    not run again, where all begin with it.
    """

    def __init__(
        self,
        blocks: Blocks,
        prompts: Sequence[Rendered],
        device: torch.device,
        *,
        share: bool,
        level: bool = False,
        before: int | None = None,
        held: Held | None = None,
    ) -> None:
        self.blocks, self.device, self.level = blocks, device, level
        self.prompts = dict(enumerate(prompts))
        """By number."""
        shares = share and not any_changing()
        self._beginning = shared_beginning([one.ids for one in prompts])[:before] if shares else ()
        self._root: Segment | None = None
        firsts = [len(one.ids) - 1 if before is None else before for one in prompts]
        if held is not None and share and held.begins(prompts, firsts):
            self._beginning, self._root = held.ids, held.segment
        self.shared = len(self._beginning)

    def batches(self, budget: int) -> Iterator[list[int]]:
        """Prompt numbers, sorted by length, in batches of at most `budget` padded tokens and 64 rows."""
        own = plan([prompt.ids[self.shared :] for prompt in self.prompts.values()], share=False)
        for batch in batches(own, budget, a_run=_DEAR):
            rows = [family.rows[0] for family in batch]
            for alike in self._alike(rows):
                yield from (alike[first : first + 64] for first in range(0, len(alike), 64))

    def _alike(self, rows: list[int]) -> Iterator[list[int]]:
        """`rows`, which are sorted by length: all at once, or length by length where they must be level."""
        if not self.level:
            yield rows
            return
        for _, alike in groupby(rows, key=lambda row: len(self.prompts[row].ids)):
            yield list(alike)

    def start(self, rows: Sequence[int], *, cached: bool) -> Segment:
        """A segment for these prompts that holds the shared beginning, which runs when it is first needed."""
        if not self._beginning:
            return beginning(self.blocks, len(rows), self.device, cached=cached)
        if self._root is None:
            self._root = beginning(self.blocks, 1, self.device, cached=True)
            run(self.blocks, self._root, [self._beginning], [0], self._rows([0]))
        return self._root.fork([0] * len(rows))

    @contextmanager
    def read_by(self, readings: Sequence[Reading | LastTokens], rows: Sequence[int]) -> Generator[None]:
        """Inside the block these prompts run on from the end of their shared beginning, and are read."""
        with ExitStack() as stack:
            for reading in readings:
                stack.enter_context(reading.of(self.blocks, rows, self.shared))
            yield

    def _rows(self, numbers: Sequence[int]) -> list[Row]:
        return [Row(number, len(self.prompts), self.prompts[number]) for number in numbers]

    def logits(
        self, segment: Segment, rows: Sequence[int], replies: Mapping[int, Reply] | None = None
    ) -> Float[Tensor, "row vocab"]:
        """Run each prompt on to the end of what it has (its last reply token alone, where the cache has the
        rest) and read the next token's logits, float32."""
        tails: list[tuple[int, ...]] = []
        starts: list[int] = []
        held = segment.seen.shape[1]
        for row in rows:
            tokens = self.prompts[row].ids + (tuple(replies[row].ids) if replies else ())
            starts.append(len(tokens) - 1 if held > self.shared else held)
            tails.append(tokens[starts[-1] :])
        normed = run(self.blocks, segment, tails, starts, self._rows(rows))
        last = torch.tensor([len(tail) - 1 for tail in tails], device=normed.device)
        with torch.no_grad():
            return self.blocks.logits_of_normed(normed[torch.arange(len(rows), device=normed.device), last])


class Batch:
    """Rows of one prefill on their way, a token a step: first the prompts whole, then each row's last token.

    A row whose reply has finished leaves at the next step. Without a cache every step runs everything again.
    """

    def __init__(
        self,
        prefill: Prefill,
        rows: Sequence[int],
        replies: Mapping[int, Reply],
        *,
        use_cache: bool = True,
        readings: Sequence[Reading] = (),
    ) -> None:
        self.prefill, self.replies, self.use_cache = prefill, dict(replies), use_cache
        self.live = list(rows)
        """Rows that are still running."""
        self._readings = readings
        """Of the prompts, which are read where they run first."""
        self._segment: Segment | None = None

    def step(self, of_replies: LastTokens | None = None) -> Float[Tensor, "row vocab"] | None:
        """Run every live row on and return the logits of its next token; None where no row is left.

        `of_replies`: what to read of the reply tokens that run in this step; the first runs prompts alone.
        """
        begun = self._segment is not None
        if begun:
            self._leave()
        if not self.live:
            return None
        if self._segment is None or not self.use_cache:
            self._segment = self.prefill.start(self.live, cached=self.use_cache)
        readings: Sequence[Reading | LastTokens] = self._readings
        if begun:
            readings = () if of_replies is None else (replace(of_replies, running=self._running),)
        with self.prefill.read_by(readings, self.live):
            return self.prefill.logits(self._segment, self.live, self.replies)

    @property
    def joins(self) -> bool:
        """Whether other rows can come in: it has begun, and its cache may hold padding for ever."""
        return (
            self._segment is not None
            and self._segment.joins
            and self.use_cache
            and not self.prefill.level
            and self.prefill.blocks.attention_reach is None
        )

    def join(self, other: "Batch", first: int) -> None:
        """Go on with the rows of another batch, too, whose row 0 is number `first` here; both `joins`."""
        assert self._segment is not None
        assert other._segment is not None
        self._segment = self._segment.joined(other._segment)
        self.prefill.prompts |= {first + row: one for row, one in other.prefill.prompts.items()}
        self.replies |= {first + row: one for row, one in other.replies.items()}
        self.live += [first + row for row in other.live]

    def forget(self, row: int) -> None:
        """Let a row that has left be known no more: others may come in for ever."""
        del self.prefill.prompts[row], self.replies[row]

    def _running(self, row: int) -> bool:
        return self.replies[row].finish is None

    def _leave(self) -> None:
        kept = [number for number, row in enumerate(self.live) if self.replies[row].finish is None]
        if len(kept) == len(self.live) or (kept and self.prefill.level and self.use_cache):
            return
        self.live = [self.live[number] for number in kept]
        if self._segment is not None and self.use_cache and kept:
            self._segment = self._segment.spread(kept)
            if self.joins:
                self._segment = self._segment.trimmed()
