"""The one thread that runs the model: a batch of checks, a token of every answer, and again."""

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any, Protocol

from latentguard.lm import Rendered
from latentguard.serve.judged import Judged
from latentguard.serve.work.queue import Full, Queue
from latentguard.serve.work.tickets import Chat, Checks, Piece, PromptJudged


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


@dataclass(slots=True, eq=False)
class _Talk:
    """Chats that are answered in one batch, by their numbers in `answers`."""

    chats: dict[int, Chat]
    answers: Answers
    begun: bool = False
    """A step has been made."""

    def join(self, other: "_Talk") -> bool:
        """Go on with another's chats, too, in the same batch; False where that cannot be."""
        first = self.answers.join(other.answers)
        if first is None:
            return False
        self.chats |= {first + number: one for number, one in other.chats.items()}
        return True

    def forget(self, number: int) -> None:
        """One chat is over."""
        del self.chats[number]
        self.answers.forget(number)


class Worker:
    """Owns the model. Requests come from the event loop (`check`, `chat`), results go back to it.

    `batch_tokens`: of a batch of checks while nothing is answered; `small_batch_tokens` between two steps of
    answers. `wait`: seconds that a batch which is not full waits for more, where the one before
    it had several prompts. `most_chats`: answers at a time.
    """

    def __init__(
        self,
        runs: Runs,
        *,
        batch_tokens: int,
        small_batch_tokens: int,
        queued_tokens: int,
        wait: float,
        most_chats: int,
        observer: Observer,
    ) -> None:
        self._runs, self._observer = runs, observer
        self._batch_tokens, self._small = batch_tokens, min(small_batch_tokens, batch_tokens)
        self._wait, self._most_chats = wait, most_chats
        self._queue = Queue(queued_tokens)
        self._chats: list[Chat] = []
        """Not begun yet."""
        self._talks: list[_Talk] = []
        self._changes: list[Callable[[], None]] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._company = False
        """The last batch held several prompts: others are about, and a moment's wait brings them together."""
        self._thread = threading.Thread(target=self._loop, name="latentguard-worker", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """End after the batch and the step that are running; what waits is not served."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def check(self, checks: Checks) -> None:
        """Let a request in. Raises `Full`."""
        with self._changed:
            self._queue.add(checks)
            self._changed.notify()

    @contextmanager
    def room(self, tokens: int) -> Generator[None]:
        """Inside the block a request of about so many tokens is rendered, and its room is kept for it: what
        would not be let in is not rendered. Raises `Full`."""
        kept = min(tokens, self._queue.most // 2)
        with self._changed:
            self._queue.require(tokens)
            self._queue.promised += kept
        try:
            yield
        finally:
            with self._changed:
                self._queue.promised -= kept

    def require_place(self) -> None:
        """Raises `Full` where as many chats are answered as may be: before one more is rendered."""
        with self._changed:
            self._require_place()

    def chat(self, chat: Chat) -> None:
        """Let a chat in. Raises `Full` where as many are answered as may be."""
        with self._changed:
            self._require_place()
            self._chats.append(chat)
            self._changed.notify()

    def _require_place(self) -> None:
        running = sum(not one.cancelled for talk in self._talks for one in list(talk.chats.values()))
        if running + len(self._chats) >= self._most_chats:
            raise Full(max(self._queue.wait(), 1.0))

    def between_batches(self, change: Callable[[], None]) -> None:
        """Run `change` in the worker's thread when no batch is running: to replace a guard, say."""
        with self._changed:
            self._changes.append(change)
            self._changed.notify()

    @property
    def waiting(self) -> int:
        """Prompts that wait for a batch."""
        with self._changed:
            return len(self._queue)

    @property
    def alive(self) -> bool:
        """Its thread runs."""
        return self._thread.is_alive()

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work)
                if self._stopping:
                    return
                changes, self._changes = self._changes, []
            for change in changes:
                self._survive(change)
            self._survive(self._batch)
            self._survive(self._join)
            self._survive(self._begin)
            for talk in list(self._talks):
                self._survive(partial(self._step, talk))
            self._talks = [talk for talk in self._talks if not talk.answers.finished]
            self._observer.answering(sum(len(talk.chats) for talk in self._talks))

    def _survive(self, part: Callable[[], None]) -> None:
        """One part of a turn: what breaks in it is told, and the thread goes on."""
        try:
            part()
        except Exception as error:
            self._observer.broke(error)

    def _has_work(self) -> bool:
        return bool(self._stopping or self._changes or self._talks or self._chats or len(self._queue))

    def _is_full(self) -> bool:
        return bool(self._stopping or self._chats or self._queue.tokens >= self._batch_tokens)

    def _batch(self) -> None:
        """One batch of what waits."""
        with self._changed:
            if not len(self._queue):
                return
            idle = not self._talks and not self._chats
            if idle and self._company and self._queue.tokens < self._batch_tokens:
                self._changed.wait_for(self._is_full, timeout=self._wait)
            batch = self._queue.take(self._batch_tokens if idle else self._small)
        if not batch:
            return
        self._company = len(batch) > 1
        begun = monotonic()
        prompts = [checks.prompts[number] for checks, number in batch]
        try:
            verdicts = self._runs.judge(prompts)
        except Exception as error:
            self._fail(batch, error)
            return
        seconds = monotonic() - begun
        for (checks, number), verdict in zip(batch, verdicts, strict=True):
            checks.give(number, verdict)
        with self._changed:
            self._queue.ran(sum(checks.tokens[number] for checks, number in batch), seconds)
        self._observer.batch([begun - checks.arrived for checks, _ in batch], seconds)

    def _fail(self, batch: Sequence[tuple[Checks, int]], error: Exception) -> None:
        """Some prompt of a batch broke it: each is run alone, so that only its own request fails."""
        for checks, number in batch:
            if len(batch) == 1:
                checks.fail(error)
                return
            try:
                checks.give(number, self._runs.judge([checks.prompts[number]])[0])
            except Exception as own:
                checks.fail(own)

    def _join(self) -> None:
        """Answers that have begun go on in one batch, where their caches can be put side by side: a token of
        all of them costs little more than a token of one."""
        joined: list[_Talk] = []
        for talk in self._talks:
            if not (talk.begun and any(one.begun and one.join(talk) for one in joined)):
                joined.append(talk)
        self._talks = joined

    def _begin(self) -> None:
        """Begin what waits to be answered: all in one batch, or each alone where that cannot be."""
        with self._changed:
            chats, self._chats = [one for one in self._chats if not one.cancelled], []
        for some in self._grouped(chats):
            self._talk(some)

    def _grouped(self, chats: Sequence[Chat]) -> list[list[Chat]]:
        """Chats whose prompts fit into one batch."""
        groups: list[list[Chat]] = []
        tokens = 0
        for one in chats:
            if not groups or tokens + one.tokens > self._batch_tokens:
                groups.append([])
                tokens = 0
            groups[-1].append(one)
            tokens += one.tokens
        return groups

    def _talk(self, chats: Sequence[Chat]) -> None:
        """Begin to answer these together, or each alone where that cannot be."""
        try:
            self._talks.append(_Talk(dict(enumerate(chats)), self._runs.begin(chats)))
        except Exception as error:
            if len(chats) == 1:
                chats[0].tell(error)
                return
            for one in chats:
                self._talk([one])

    def _part(self, talk: _Talk, error: Exception) -> None:
        """A step of `talk` broke: its chats fail; where nothing was said yet, each is begun again alone, so
        that only the one that breaks fails."""
        for number in talk.chats:
            talk.answers.end(number)
        if talk.begun or len(talk.chats) == 1:
            for one in talk.chats.values():
                one.tell(error)
            return
        for one in talk.chats.values():
            if not one.cancelled:
                self._talk([one])

    def _step(self, talk: _Talk) -> None:
        """A token for every chat of `talk` that somebody listens to."""
        for number in [number for number, one in talk.chats.items() if one.cancelled]:
            talk.answers.end(number)
            talk.forget(number)
        begun = monotonic()
        try:
            told = talk.answers.step()
        except Exception as error:
            self._part(talk, error)
            return
        if not talk.begun:
            for number, judged in talk.answers.verdicts.items():
                if number in talk.chats:
                    talk.chats[number].tell(PromptJudged(judged))
        talk.begun = True
        for number, piece in told:
            talk.chats[number].tell(piece)
            if isinstance(piece, Exception) or piece.finish is not None:
                talk.forget(number)
        self._observer.token(monotonic() - begun)
