"""The model, the guard that reads it, and a second guard in its shadow; all of it in the worker's hands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from latentguard.guard import Guard, Verdict
from latentguard.lm import Conversation, LanguageModel, Rendered, Replying
from latentguard.serve.work.tickets import Chat

TWO_PROMPTS = ("a", "Zz?")
"""Their renderings share what every prompt of a single turn begins with."""


WORTH_HOLDING = 8
"""Tokens from which a shared beginning costs more to run than to copy."""


@dataclass(slots=True, eq=False)
class Engine:
    """What the worker runs. `guard` and `shadow` may be replaced between two batches (`Worker.swap`)."""

    model: LanguageModel
    guard: Guard
    guard_folder: Path
    shadow: Guard | None = None
    told: Callable[[Verdict, Verdict], None] = lambda own, shadows: None
    """Takes what both guards say of one prompt."""
    shared: int = field(init=False)
    """Tokens that every prompt of a single turn begins with: they run once, when the server starts."""

    def __post_init__(self) -> None:
        first, second = (self.render(one).ids for one in TWO_PROMPTS)
        pairs = enumerate(zip(first, second, strict=False))
        self.shared = next((number for number, (one, other) in pairs if one != other), 0)
        if self.shared >= WORTH_HOLDING:
            self.guard.model.hold_beginning(TWO_PROMPTS[0], self.shared)

    @property
    def version(self) -> str:
        """Which guard judges: the first characters of the hash of its tensors."""
        return self.guard.manifest.tensors_sha256[:16]

    def render(self, conversation: Conversation) -> Rendered:
        """The prompt as the guard's model reads it, its positions proved. Any thread may call it."""
        return self.guard.model.render(conversation)

    def cost(self, prompt: Rendered) -> int:
        """Its own tokens."""
        return max(len(prompt.ids) - self.shared, 1)

    def judge(self, prompts: Sequence[Rendered]) -> list[Verdict]:
        """What the guard says of each, from one capture that serves the shadow, too."""
        guards = [self.guard, *(() if self.shadow is None else (self.shadow,))]
        positions = sorted({position for one in guards for position in one.reads[0]})
        slots = sorted({slot for one in guards for slot in one.reads[1]})
        states = self.guard.model.capture(prompts, positions=positions, slots=slots)
        verdicts = self.guard.judge(states)
        if self.shadow is not None:
            for own, shadows in zip(verdicts, self.shadow.judge(states), strict=True):
                self.told(own, shadows)
        return verdicts

    def begin(self, chats: Sequence[Chat]) -> Replying:
        """Answers to these chats, of which nothing has run yet; the guard reads their prefill."""
        return self.guard.model.replying(
            [one.prompt for one in chats],
            max_new_tokens=[one.limit for one in chats],
            samplings=[one.sampling for one in chats],
            stop=[one.stop for one in chats],
            guard=self.guard,
            answers=lambda number, verdict: not chats[number].blocks(verdict),
        )
