"""The model, the guard that reads it, and a second guard in its shadow; all of it in the worker's hands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from latentguard.guard import Guard, Verdict
from latentguard.lm import Conversation, LanguageModel, Position, Rendered, States
from latentguard.serve.answering import Answering
from latentguard.serve.judged import By, Judged
from latentguard.serve.work.tickets import Chat

TWO_PROMPTS = ("a", "Zz?")
"""Their renderings share what every prompt of a single turn begins with."""


WORTH_HOLDING = 8
"""Tokens from which a shared beginning costs more to run than to copy."""


@dataclass(slots=True, eq=False)
class Engine:
    """What the worker runs. `Worker.between_batches` may replace the guards."""

    model: LanguageModel
    guard: Guard
    guard_folder: Path
    shadow: Guard | None = None
    told: Callable[[Verdict, Verdict], None] = lambda own, shadows: None
    """Takes what both guards say of one prompt."""
    broke: Callable[[Exception], None] = lambda error: None
    """Takes what breaks in the shadow."""
    opening: tuple[int, ...] = field(init=False, default=())
    """Tokens that every prompt of a single turn begins with, where they are held and do not run again."""
    by: By = field(init=False)
    """Which guard judges."""

    def __post_init__(self) -> None:
        self.prepare()

    def replace(self, guard: Guard, shadow: Guard | None) -> None:
        """Other guards of the same model, between two batches; the old ones stay where that fails."""
        before = self.guard, self.shadow
        self.guard, self.shadow = guard, shadow
        try:
            self.prepare()
        except Exception:
            self.guard, self.shadow = before
            raise

    def prepare(self) -> None:
        """What is the same for every prompt, once: who judges, and the run of what all of them begin with
        (the date that a template writes may be another now)."""
        first, second = (self.render(one).ids for one in TWO_PROMPTS)
        pairs = enumerate(zip(first, second, strict=False))
        shared = next((number for number, (one, other) in pairs if one != other), 0)
        held = shared >= WORTH_HOLDING and self.guard.model.hold_beginning(TWO_PROMPTS[0], shared)
        self.opening = first[:shared] if held else ()
        self.by = By.of(self.guard)

    def render(self, conversation: Conversation) -> Rendered:
        """The prompt as the guard's model reads it, its positions proved. Any thread may call it."""
        return self.guard.model.render(conversation)

    def cost(self, prompt: Rendered) -> int:
        """Tokens of it that have to run."""
        held = len(self.opening)
        return max(len(prompt.ids) - (held if prompt.ids[:held] == self.opening else 0), 1)

    def with_first(self, prompts: Sequence[Rendered]) -> Sequence[int]:
        """Which of these run best in one batch with the first, itself among them."""
        return self.guard.model.run_with_first(prompts, positions=self._both.reads[0])

    @property
    def _both(self) -> "_Both":
        return _Both(self.guard, self.shadow, self.told, self.broke)

    def judge(self, prompts: Sequence[Rendered]) -> list[Judged]:
        """What the guard says of each, from one capture that serves the shadow, too."""
        both = self._both
        positions, slots = both.reads
        states = self.guard.model.capture(prompts, positions=positions, slots=slots)
        return [Judged(one, self.by) for one in both.judge(states)]

    def begin(self, chats: Sequence[Chat]) -> Answering:
        """Answers to these chats, of which nothing has run yet; the guard reads their prefill and tokens."""
        reader = self.guard.answers
        if reader.fitted is None and not any(one.shows for one in chats):
            reader = None
        replying = self.guard.model.replying(
            [one.prompt for one in chats],
            max_new_tokens=[one.limit for one in chats],
            samplings=[one.sampling for one in chats],
            stop=[one.stop for one in chats],
            guard=self._both,
            answers=lambda number, verdict: not chats[number].blocks(verdict),
            slots=() if reader is None else reader.slots,
        )
        return Answering(replying, chats, reader, self.by)


@dataclass(frozen=True, slots=True)
class _Both:
    """A guard and its shadow, which reads the same states and only counts: a `lm.Watcher`."""

    guard: Guard
    shadow: Guard | None
    told: Callable[[Verdict, Verdict], None]
    broke: Callable[[Exception], None]

    @property
    def module(self) -> object:
        """The one model whose states they judge."""
        return self.guard.module

    @property
    def date(self) -> str | None:
        """What the guard's template is told."""
        return self.guard.date

    @property
    def reads(self) -> tuple[tuple[Position, ...], tuple[int, ...]]:
        """The positions and slots that either needs."""
        guards = [self.guard, *(() if self.shadow is None else (self.shadow,))]
        positions = sorted({position for one in guards for position in one.reads[0]})
        return tuple(positions), tuple(sorted({slot for one in guards for slot in one.reads[1]}))

    def judge(self, states: States) -> Sequence[Verdict]:
        """What the guard says."""
        verdicts = self.guard.judge(states)
        if self.shadow is not None:
            try:
                for own, shadows in zip(verdicts, self.shadow.judge(states), strict=True):
                    self.told(own, shadows)
            except Exception as error:
                self.broke(error)  # no request fails with it
        return verdicts
