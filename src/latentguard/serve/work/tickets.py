"""What is asked of the worker: checks of some prompts, or an answer to one. Both live on the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal

from latentguard.guard import TokenBeliefs, Verdict
from latentguard.lm import Rendered, Sampling
from latentguard.serve.judged import Judged


@dataclass(slots=True, eq=False)
class Checks:
    """The prompts of one request, which may ride in several batches."""

    prompts: Sequence[Rendered]
    tokens: Sequence[int]
    """What each costs: its own tokens, beyond the beginning that all prompts share."""
    loop: asyncio.AbstractEventLoop
    arrived: float = field(default_factory=monotonic)
    verdicts: list[Judged | None] = field(init=False)
    left: int = field(init=False)
    """Prompts without a verdict."""
    done: "asyncio.Future[list[Judged]]" = field(init=False)

    def __post_init__(self) -> None:
        self.verdicts = [None] * len(self.prompts)
        self.left = len(self.prompts)
        self.done = self.loop.create_future()

    @property
    def over(self) -> bool:
        """It has failed, or nobody waits for it any more."""
        return self.done.done()

    def give(self, number: int, verdict: Judged) -> None:
        """Called by the worker: the verdict of one of its prompts."""
        self.verdicts[number] = verdict
        self.left -= 1
        if self.left == 0:
            self._settle(lambda: self.done.set_result([one for one in self.verdicts if one is not None]))

    def fail(self, error: BaseException) -> None:
        """Called by the worker: what broke."""
        self._settle(lambda: self.done.set_exception(error))

    def _settle(self, settle: Callable[[], None]) -> None:
        def once() -> None:
            if not self.done.done():
                settle()

        self.loop.call_soon_threadsafe(once)


Outcome = Literal["stop", "length", "blocked", "cut"]
"""blocked: the prompt was flagged and nothing was said. cut: the answer was over the threshold."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text of an answer, and why it ended, where it did."""

    text: str = ""
    finish: Outcome | None = None
    tokens: int = 0
    """Of the answer so far."""
    beliefs: TokenBeliefs | None = None
    """Read of the token before those of this piece; None at the first, and where nobody wants to know."""
    over: bool | None = None
    """Whether the answer is over the threshold by now; None where nothing was fitted on answers."""


@dataclass(frozen=True, slots=True)
class PromptJudged:
    """What the guard said of the prompt, told before the first piece."""

    judged: Judged


@dataclass(slots=True, eq=False)
class Chat:
    """One answer in the making. `events` brings a `PromptJudged`, then pieces until one has a `finish`; or
    an exception that ended it."""

    prompt: Rendered
    tokens: int
    limit: int
    sampling: Sampling
    stop: tuple[str, ...]
    blocks: Callable[[Verdict], bool]
    """Whether a prompt with this verdict gets no answer."""
    cuts: bool
    """Whether an answer that is over the threshold ends there."""
    shows: bool
    """Whether somebody wants to see the beliefs at its tokens."""
    loop: asyncio.AbstractEventLoop
    arrived: float = field(default_factory=monotonic)
    events: "asyncio.Queue[PromptJudged | Piece | BaseException]" = field(default_factory=asyncio.Queue)
    cancelled: bool = False
    """Set on the event loop when nobody listens any more; the worker ends the answer before its next step."""

    def tell(self, event: PromptJudged | Piece | BaseException) -> None:
        """Called by the worker."""
        self.loop.call_soon_threadsafe(self.events.put_nowait, event)
