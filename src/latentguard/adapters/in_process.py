"""A guard in this process. One thread owns every model here; what waits for it is judged in one batch.

A call puts its conversations where they wait and blocks. The thread takes all that wait for a guard at once,
so that calls which came meanwhile share the next batch.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, TypeAlias, TypeVar

from latentguard.adapters.checked import Checked
from latentguard.data import Prompt
from latentguard.errors import UNREADABLE
from latentguard.guard import Guard
from latentguard.lm import Conversation

_OWNER: Final = ThreadPoolExecutor(1, thread_name_prefix="latentguard-guard")
_Result = TypeVar("_Result")
_Call: TypeAlias = tuple[Sequence[Conversation], "Future[list[Checked]]"]


def by_the_owner(work: Callable[[], _Result]) -> _Result:
    """What `work` returns, run in the thread that owns every model here. A model that another thread has
    loaded runs slower: both keep helpers of OpenMP, and with more of them than processors all of them
    sleep where they would wait awake."""
    return _OWNER.submit(work).result()


@dataclass(slots=True, eq=False)
class InProcess:
    """A guard that is loaded here."""

    guard: Guard
    _waiting: list[_Call] = field(default_factory=list[_Call], init=False, repr=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    @property
    def name(self) -> str:
        """The model that the guard reads."""
        return self.guard.model.name

    def check(self, conversations: Sequence[Conversation]) -> list[Checked]:
        """One each, in order, equal to those of `Guard.score`. Blocks; an event loop calls it in a thread.

        Raises what `Guard.score` raises of a model that fails (`NonFiniteState`, out of memory).
        """
        done = Future[list[Checked]]()
        with self._lock:
            self._waiting.append((conversations, done))
        _OWNER.submit(self._serve)
        return done.result()

    def _serve(self) -> None:
        with self._lock:
            calls, self._waiting = self._waiting, []
        if calls:
            _answer(self.guard, calls)


def _answer(guard: Guard, calls: Sequence[_Call]) -> None:
    """Judge all calls at once; where that fails each by itself, so that none gets another's error."""
    try:
        found = iter(_read(guard, [one for conversations, _ in calls for one in conversations]))
    except Exception as error:
        if len(calls) == 1:
            calls[0][1].set_exception(error)
            return
        for call in calls:
            _answer(guard, [call])
        return
    for conversations, done in calls:
        done.set_result([next(found) for _ in conversations])


def _read(guard: Guard, conversations: Sequence[Conversation]) -> list[Checked]:
    try:
        return [Checked.of(one) for one in guard.score(conversations)] if conversations else []
    except UNREADABLE:
        reasons = [_why_not(guard, one) for one in conversations]
    judged = [one for one, why in zip(conversations, reasons, strict=True) if why is None]
    verdicts = iter(guard.score(judged) if judged else [])
    return [Checked.of(next(verdicts)) if why is None else Checked.not_judged(why) for why in reasons]


def _why_not(guard: Guard, conversation: Conversation) -> str | None:
    """Why this conversation cannot be judged, where others of its batch may."""
    try:
        guard.model.render(Prompt.of(conversation).messages)
    except UNREADABLE as error:
        return str(error)
    return None
