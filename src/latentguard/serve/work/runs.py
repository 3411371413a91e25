"""What the worker asks of the model and its guard, and whom it tells what it did."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from latentguard.lm import Rendered
from latentguard.serve.judged import Judged
from latentguard.serve.work.tickets import Chat, Piece


class Answers(Protocol):
    """Answers in the making: an `Answering`."""

    @property
    def verdicts(self) -> Mapping[int, Judged]:
        """What was said of each prompt, once the first step is over."""
        ...

    @property
    def finished(self) -> bool:
        """Whether none is in the making any more."""
        ...

    def end(self, number: int) -> None:
        """End one now."""
        ...

    def step(self) -> Sequence[tuple[int, Piece | Exception]]:
        """A token for each: (its number, what is added to it, or what broke it)."""
        ...

    def join(self, other: Any) -> int | None:
        """Take over others, under numbers from the one returned on; None where that cannot be."""
        ...

    def forget(self, number: int) -> None:
        """One is over."""
        ...


class Runs(Protocol):
    """What the worker runs: an `Engine`."""

    def with_first(self, prompts: Sequence[Rendered]) -> Sequence[int]:
        """The numbers of those that run best at once with the first, itself among them."""
        ...

    def judge(self, prompts: Sequence[Rendered]) -> list[Judged]:
        """Verdicts, in order."""
        ...

    def begin(self, chats: Sequence[Chat]) -> Answers:
        """Answers of which nothing has run yet."""
        ...


class Observer(Protocol):
    """What is told of the worker's steps; called in its thread."""

    def batch(self, waited: Sequence[float], seconds: float) -> None:
        """A batch ran: how long each of its prompts had waited, and how long it took."""
        ...

    def token(self, seconds: float) -> None:
        """One step of answers in the making."""
        ...

    def answering(self, chats: int) -> None:
        """So many chats are being answered now."""
        ...

    def broke(self, error: Exception) -> None:
        """Something broke that no request is to blame for: a bug."""
        ...
