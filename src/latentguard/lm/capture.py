"""Read hidden states at named positions and slots, for many prompts, at about the price of the tokens.

Only what can matter is run: tokens after the last wanted position are dropped, blocks after the deepest
wanted slot are not run, a beginning that several prompts share runs once, and the output head never runs.
Only what was asked for is kept, on the CPU, in the order of the prompts.
"""

import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from latentguard._progress import Progress, silent
from latentguard.errors import ModelNotSupported, NonFiniteState, RunNotFollowed
from latentguard.lm.batch_layout import Row, current_layout
from latentguard.lm.batches import Family, Plan, batches, halves, next_batch, padded_tokens, plan
from latentguard.lm.blocks import Blocks
from latentguard.lm.budget import Budget
from latentguard.lm.chat import Rendered
from latentguard.lm.edits.in_force import any_changing, every_edit_must_match
from latentguard.lm.held import Held
from latentguard.lm.runs import Segment, beginning, run, spreading
from latentguard.lm.states import Sink
from latentguard.lm.taps import Take, Tap


class _DeepEnough(Exception):
    """Raised from the deepest hook: nothing after it was asked for."""


def capture(
    blocks: Blocks,
    prompts: Sequence[Rendered],
    indices: Sequence[Sequence[int]],
    taps: Sequence[Tap],
    sink: Sink,
    *,
    device: torch.device,
    share: bool,
    budget: Budget,
    held: Held | None = None,
    progress: Progress = silent,
) -> None:
    """Hand `sink` what passes every tap at every index in `indices[prompt]` of every prompt.

    `held`: a beginning that need not run again, where all prompts begin with it.
    Raises `NonFiniteState` with the tap named, `EditMatchedNothing` where an active edit met no token.
    """
    # Edits differ by prompt, and a run that ends before its first block fills no cache to share.
    share = share and not any_changing() and taps[-1].depth > 0
    planned, held = _planned(prompts, indices, share, budget, held)
    skipped = 0 if held is None else len(held.ids)
    reader = Reader(tuple(taps), exits=True)
    job = _Job(blocks, prompts, indices, reader, skipped, skipped + len(planned.root), device)
    done, read = 0, [0] * len(taps)

    def counted(number: int, targets: Tensor, states: Tensor) -> None:
        read[number] += len(targets)
        sink(number, targets, states)

    with every_edit_must_match(), reader.hooked():
        root = job.run_root(planned.root, held)
        waiting = planned.families
        while waiting:
            batch = next_batch(waiting, budget.tokens, a_run=budget.a_run)
            try:
                job.run_batch(root, batch)
            except torch.OutOfMemoryError:
                reader.read = []
                if len(batch) == len(batch[0].rows) == 1:
                    raise
                if len(batch) == 1:
                    waiting = (*halves(batch[0]), *waiting[1:])
                budget.halve(padded_tokens(batch))
                torch.cuda.empty_cache()
                continue
            job.deliver(counted)
            waiting = waiting[len(batch) :]
            if waiting:
                budget.double()
            done += sum(len(family.rows) for family in batch)
            progress("reading states", done, len(prompts))
    wanted = sum(map(len, indices))
    for tap, found in zip(taps, read, strict=True):
        if found != wanted:
            raise ModelNotSupported(
                f"{found} states passed {tap.name} where {wanted} were to be read.\n"
                "  It is no place that every token passes once in this model. Nothing of it is read."
            )


def run_with_first(
    prompts: Sequence[Rendered],
    indices: Sequence[Sequence[int]],
    *,
    share: bool,
    budget: Budget,
    held: Held | None = None,
) -> tuple[int, ...]:
    """The numbers of those of these prompts that `capture` runs in one batch with the first, itself among
    them."""
    planned, _ = _planned(prompts, indices, share and not any_changing(), budget, held)
    for batch in batches(planned, budget.tokens, a_run=budget.a_run):
        rows = tuple(row for family in batch for row in family.rows)
        if 0 in rows:
            return rows
    raise ValueError("there is no first prompt")


def _planned(
    prompts: Sequence[Rendered],
    indices: Sequence[Sequence[int]],
    share: bool,
    budget: Budget,
    held: Held | None,
) -> tuple[Plan, Held | None]:
    """What has to run, beyond the beginning that is held; that is None where it cannot be used."""
    if held is not None and not (share and held.begins(prompts, [min(wanted) for wanted in indices])):
        held = None
    skipped = 0 if held is None else len(held.ids)
    ids = [prompt.ids[skipped : max(wanted) + 1] for prompt, wanted in zip(prompts, indices, strict=True)]
    return plan(ids, share=share, budget=budget.tokens, a_run=budget.a_run), held


@dataclass(slots=True, eq=False)
class Reader:
    """Hooks at the wanted taps, and what they have read of the segment that is running."""

    taps: tuple[Tap, ...]
    exits: bool
    """The run is cut off at the deepest tap, where nothing after it is wanted."""
    announced: bool = True
    """It reads this package's own runs; False: those of others alone."""
    picks: list[tuple[int, int, int]] = field(default_factory=list)
    """(row, token, target) wanted of the running segment."""
    tokens: int | None = None
    """Tokens a row of the running call of others, all of which must pass a tap that is read."""
    read: list[tuple[int, Tensor, Tensor]] = field(default_factory=list)
    """(number of the tap, targets, states) in the order in which they were met."""

    @contextmanager
    def hooked(self) -> Generator[None]:
        """Hooks for this thread's runs only, gone whatever happens."""
        owner = threading.get_ident()
        handles: list[RemovableHandle] = []

        def taker(number: int) -> Take:
            def take(stream: Tensor) -> None:
                if threading.get_ident() == owner and (current_layout() is not None) == self.announced:
                    self._take(number, stream)

            return take

        try:
            handles.extend(tap.hook(taker(number)) for number, tap in enumerate(self.taps))
            yield
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def picking(self, picks: list[tuple[int, int, int]]) -> Generator[None]:
        """Inside the block one segment runs, of which these tokens are wanted."""
        self.picks = picks
        try:
            with suppress(_DeepEnough):
                yield
        finally:
            self.picks = []

    def deliver(self, sink: Sink, n_positions: int, *, checked: bool = True) -> None:
        """Hand over what was read, checked, and forget it."""
        for number, targets, states in self.read:
            wide = states.detach().float().cpu()
            if checked and not bool(torch.isfinite(wide).all()):
                row = int(targets[~torch.isfinite(wide).all(dim=-1)][0]) // n_positions
                raise NonFiniteState(
                    f"The state of prompt {row} at {self.taps[number].name} is NaN or infinite in "
                    f"{states.dtype}.\n"
                    "  Load the model with dtype='float32' or 'bfloat16', whose range is wide enough."
                )
            sink(number, targets, wide)
        self.read = []

    def _take(self, number: int, stream: Tensor) -> None:
        if self.picks:
            self._require_all_tokens(number, stream)
            rows, tokens, targets = torch.tensor(self.picks, dtype=torch.long).T
            self.read.append((number, targets, stream[rows.to(stream.device), tokens.to(stream.device)]))
        if self.exits and number == len(self.taps) - 1:
            raise _DeepEnough

    def _require_all_tokens(self, number: int, stream: Tensor) -> None:
        if self.tokens is not None and stream.shape[1] != self.tokens:
            raise RunNotFollowed(
                f"{stream.shape[1]} of {self.tokens} tokens pass {self.taps[number].name}: this model's "
                "generate cuts the others off before its deeper blocks.\n"
                "  Read slots before that one, or let LanguageModel.generate make the run."
            )


@dataclass(slots=True, eq=False)
class _Job:
    """One capture: what is wanted of which prompts, and the reader that reads it."""

    blocks: Blocks
    prompts: Sequence[Rendered]
    indices: Sequence[Sequence[int]]
    reader: Reader
    held_tokens: int
    root_tokens: int
    """Tokens of the root, and of what is held before it."""
    device: torch.device
    root_read: list[tuple[int, Tensor, Tensor]] = field(default_factory=list)

    def run_root(self, root: tuple[int, ...], held: Held | None) -> Segment | None:
        """The beginning that all prompts share. Positions inside it are read here, once for all."""
        if not root:
            return None if held is None else held.segment
        if held is None:
            segment = beginning(self.blocks, 1, self.device, cached=True)
        else:
            segment = held.segment.fork([0])
        everyone = range(len(self.prompts))
        self._run(segment, [root], [self.held_tokens], [tuple(everyone)], prompts=[0])
        self.root_read, self.reader.read = self.reader.read, []
        return segment

    def run_batch(self, root: Segment | None, families: Sequence[Family]) -> None:
        """Stems first, one row a family; then every prompt's own tail on a copy of its family's cache."""
        rows = [row for family in families for row in family.rows]
        parents = [0] * len(rows)
        if any(family.stem for family in families):
            before = self._run_stems(root, families)
            parents = [number for number, family in enumerate(families) for _ in family.rows]
        elif root is not None:
            before = root.fork([0])
        else:
            before = beginning(self.blocks, 1, self.device, cached=False)
        starts = [self.root_tokens + len(family.stem) for family in families for _ in family.rows]
        tails = [tail for family in families for tail in family.tails]
        with spreading(self.blocks, before, parents) as segment:
            self._run(segment, tails, starts, [(row,) for row in rows], prompts=rows)

    def _run_stems(self, root: Segment | None, families: Sequence[Family]) -> Segment:
        if root is None:
            segment = beginning(self.blocks, len(families), self.device, cached=True)
        else:
            segment = root.fork([0] * len(families))
        self._run(
            segment,
            [family.stem for family in families],
            [self.root_tokens] * len(families),
            [family.rows for family in families],
            prompts=[family.rows[0] for family in families],
        )
        return segment

    def _run(
        self,
        segment: Segment,
        sequences: Sequence[tuple[int, ...]],
        starts: Sequence[int],
        served: Sequence[tuple[int, ...]],
        *,
        prompts: Sequence[int],
    ) -> None:
        """Run one segment; `served[row]` are the prompts whose tokens row `row` holds."""
        picks = [
            (row, index - start, prompt * len(self.indices[prompt]) + position)
            for row, (sequence, start) in enumerate(zip(sequences, starts, strict=True))
            for prompt in served[row]
            for position, index in enumerate(self.indices[prompt])
            if start <= index < start + len(sequence)
        ]
        rows = [Row(prompt, len(self.prompts), self.prompts[prompt]) for prompt in prompts]
        with self.reader.picking(picks):
            run(self.blocks, segment, sequences, starts, rows)

    def deliver(self, sink: Sink) -> None:
        """Hand over what a finished batch read; a batch that failed delivers nothing."""
        self.reader.read = self.root_read + self.reader.read
        self.root_read = []
        self.reader.deliver(sink, len(self.indices[0]))
