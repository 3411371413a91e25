"""Generation with explicit settings: greedy unless a temperature is given, never a checkpoint's defaults.

A loop of our own, because edits need to know which prompt and index every token has in every step, with
and without a cache; what it computes is the plain decoding loop.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from latentguard._progress import Progress, silent
from latentguard.lm.batch_layout import Row
from latentguard.lm.batches import batches, plan, shared_beginning
from latentguard.lm.blocks import Blocks
from latentguard.lm.chat import Rendered
from latentguard.lm.edits.in_force import any_changing, every_edit_must_match
from latentguard.lm.runs import Segment, beginning, run
from latentguard.lm.watching import Reading, Watch

Finish = Literal["eos", "stop", "length", "flagged"]


@dataclass(frozen=True, slots=True)
class Generation:
    """One reply. `finish`: the model ended it ("eos"), a stop string ("stop"), or the limit ("length"); or a
    guard flagged the prompt, and there is none ("flagged")."""

    text: str
    ids: tuple[int, ...]
    finish: Finish
    verdict: Any = None
    """What the guard said of the prompt, as `Guard.score` gives it; None without a guard."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. Temperature 0 is greedy; `top_p` keeps the smallest likely set."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.temperature < 0 or not 0 < self.top_p <= 1:
            raise ValueError("temperature must be >= 0 and top_p in (0, 1]")


@dataclass(frozen=True, slots=True)
class Ending:
    """When a reply ends: at one of the tokens `ends`, at a stop string (cut off), or after `limit` tokens."""

    limit: int
    ends: frozenset[int]
    stop: tuple[str, ...]
    decode: Callable[[list[int]], str]


@dataclass(slots=True, eq=False)
class _Reply:
    """A reply in the making."""

    ids: list[int] = field(default_factory=list)
    cut_text: str | None = None
    finish: Finish | None = None

    def take(self, token: int, ending: Ending) -> None:
        """Append `token`, or end the reply at it."""
        if token in ending.ends:
            self.finish = "eos"
            return
        self.ids.append(token)
        if ending.stop:
            text = ending.decode(self.ids)
            found = [text.index(stop) for stop in ending.stop if stop in text]
            if found:
                self.cut_text, self.finish = text[: min(found)], "stop"
                return
        if len(self.ids) >= ending.limit:
            self.finish = "length"

    def done(self, ending: Ending, verdict: Any) -> Generation:
        text = ending.decode(self.ids) if self.cut_text is None else self.cut_text
        return Generation(text, tuple(self.ids), self.finish or "length", verdict)


def generate(
    prefill: "Prefill",
    *,
    ending: Ending,
    sampling: Sampling,
    use_cache: bool,
    budget: int,
    readings: Sequence[Reading] = (),
    watch: Watch | None = None,
    answers_flagged: bool = False,
    progress: Progress = silent,
) -> list[Generation]:
    """One reply a prompt, in order. Batches are length-sorted; a row that has ended leaves its batch.

    Sampling draws from one generator a prompt (`seed` + its number), so a reply does not depend on its batch.
    `readings`: states to take from the prompts' own pass on the way. `watch`, whose reading is one of them,
    is asked before the first token of a batch is chosen; what it flags ends there, unless `answers_flagged`.
    """
    replies = [_Reply() for _ in prefill.prompts]
    draws = [torch.Generator().manual_seed(sampling.seed + row) for row in range(len(replies))]
    verdicts = {} if watch is None else watch.verdicts
    done = 0
    with every_edit_must_match():
        for rows in prefill.batches(budget):
            steps = _cached_steps if use_cache else _plain_steps
            for live, logits in steps(prefill, rows, replies, readings):
                if watch is not None and rows[0] not in verdicts:
                    watch.judge(rows)
                    for row in rows:
                        if verdicts[row].flagged and not answers_flagged:
                            replies[row].finish = "flagged"
                for row, scores in zip(live, logits, strict=True):
                    if replies[row].finish is None:
                        replies[row].take(_choose(scores, sampling, draws[row]), ending)
            done += len(rows)
            progress("generating", done, len(replies))
    return [reply.done(ending, verdicts.get(row)) for row, reply in enumerate(replies)]


def next_token_logits(
    prefill: "Prefill", *, budget: int, progress: Progress = silent
) -> Float[Tensor, "prompt vocab"]:
    """Logits of the first reply token, float32 on the CPU, in the order of the prompts."""
    out: dict[int, Tensor] = {}
    with every_edit_must_match():
        for rows in prefill.batches(budget):
            out.update(zip(rows, prefill.logits(prefill.start(rows, cached=False), rows).cpu(), strict=True))
            progress("reading first tokens", len(out), len(prefill.prompts))
    return torch.stack([out[row] for row in range(len(prefill.prompts))])


_DEAR = 1 << 40
"""What it costs to start a run of replies, in tokens: more than any padding, as every new token is a run."""


class Prefill:
    """Prompts about to be continued, and the beginning they share, which runs once.

    `share`: a beginning may run once. `level`: the rows of a batch are equally long and none leaves it before
    all have ended, so that a cache never holds padding and is never reordered: for a model whose attention
    window the padding would count towards, or whose cache cannot be forked. `before`: the token at which a
    shared beginning ends at the latest, because it is read of every prompt.
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
    ) -> None:
        self.blocks, self.prompts, self.device, self.level = blocks, prompts, device, level
        shares = share and not any_changing()
        self._beginning = shared_beginning([one.ids for one in prompts])[:before] if shares else ()
        self.shared = len(self._beginning)
        self._root: Segment | None = None

    def batches(self, budget: int) -> Iterator[list[int]]:
        """Prompt numbers, sorted by length, in batches of at most `budget` padded tokens and 64 rows."""
        own = plan([prompt.ids[self.shared :] for prompt in self.prompts], share=False)
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
    def read_by(self, readings: Sequence[Reading], rows: Sequence[int]) -> Generator[None]:
        """Inside the block these prompts run on from the end of their shared beginning, and are read."""
        with ExitStack() as stack:
            for reading in readings:
                stack.enter_context(reading.of(self.blocks, rows, self.shared))
            yield

    def _rows(self, numbers: Sequence[int]) -> list[Row]:
        return [Row(number, len(self.prompts), self.prompts[number]) for number in numbers]

    def logits(
        self, segment: Segment, rows: Sequence[int], replies: Sequence[_Reply] | None = None
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


_Steps = Iterator[tuple[list[int], Float[Tensor, "row vocab"]]]


def _cached_steps(
    prefill: Prefill, rows: Sequence[int], replies: Sequence[_Reply], readings: Sequence[Reading]
) -> _Steps:
    """The rows still running and their next logits, step by step, each step one token a row."""
    live = list(rows)
    segment = prefill.start(live, cached=True)
    with prefill.read_by(readings, live):
        logits = prefill.logits(segment, live, replies)
    while True:
        yield live, logits
        kept = [number for number, row in enumerate(live) if replies[row].finish is None]
        if not kept:
            return
        if len(kept) < len(live) and not prefill.level:
            live = [live[number] for number in kept]
            segment = segment.spread(kept)
        logits = prefill.logits(segment, live, replies)


def _plain_steps(
    prefill: Prefill, rows: Sequence[int], replies: Sequence[_Reply], readings: Sequence[Reading]
) -> _Steps:
    """The same without a cache: every step runs everything again."""
    live = list(rows)
    while live:
        segment = prefill.start(live, cached=False)
        with prefill.read_by(readings, live):
            logits = prefill.logits(segment, live, replies)
        readings = ()
        yield live, logits
        live = [row for row in live if replies[row].finish is None]


def _choose(scores: Float[Tensor, "vocab"], sampling: Sampling, draw: torch.Generator) -> int:
    """The next token: the likeliest, or a draw from the tempered distribution within `top_p`."""
    if sampling.temperature == 0:
        return int(scores.argmax())
    likely = (scores.double().cpu() / sampling.temperature).softmax(dim=-1)
    ordered, tokens = likely.sort(descending=True)
    kept = ordered * ((ordered.cumsum(dim=-1) - ordered) < sampling.top_p)
    return int(tokens[torch.multinomial(kept, 1, generator=draw)])
