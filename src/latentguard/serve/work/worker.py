"""The one thread that runs the model: a batch of checks, a token of every answer, and again."""

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from time import monotonic

from latentguard.serve.judged import Judged
from latentguard.serve.work.queue import Full, Queue
from latentguard.serve.work.runs import Observer, Runs
from latentguard.serve.work.talks import Talks
from latentguard.serve.work.tickets import Chat, Checks

MOMENT = 0.2
"""Seconds. A model that runs more than once in as long, such as the bundled organism, is given what waits in
its order, so much at a time: what a batch costs beside its tokens would be a tenth of it otherwise."""


class Worker:
    """Owns the model. Requests come from the event loop (`check`, `chat`), results go back to it.

    `batch_tokens`: of what waits, among which a batch of checks is chosen; `run_tokens`: what the model runs
    at once. `wait`: seconds that less than this waits for more, where the batch before had several prompts.
    `most_chats`: answers at a time.
    """

    def __init__(
        self,
        runs: Runs,
        *,
        batch_tokens: int,
        run_tokens: int,
        queued_tokens: int,
        wait: float,
        most_chats: int,
        observer: Observer,
    ) -> None:
        self._runs, self._observer = runs, observer
        self._batch_tokens, self._run_tokens = batch_tokens, min(run_tokens, batch_tokens)
        self._wait, self._most_chats = wait, most_chats
        self._queue = Queue(queued_tokens)
        self._chats: list[Chat] = []
        """Not begun yet."""
        self._talks = Talks(runs, observer, most_tokens=batch_tokens)
        self._changes: list[Callable[[], None]] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._owed = 0.0
        """Seconds that the last batch took and steps have not had yet: beside answers that go on apart,
        batches take half of the time at most."""
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

    def require_room(self, tokens: int) -> None:
        """Raises `Full` where a request of so many tokens would not be let in now."""
        with self._changed:
            self._queue.require(tokens)

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
        waiting = sum(not one.cancelled for one in self._chats)
        if self._talks.listened_to + waiting >= self._most_chats:
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
            self._survive(self._talks.join)
            self._batch_between(self._talks.all())
            self._survive(self._begin)
            talks = self._talks.all()
            for number, talk in enumerate(talks):
                if self._stopping:
                    break
                if number:  # a check waits for one step, not for those of all
                    self._batch_between(talks)
                begun = monotonic()
                self._survive(partial(self._talks.step, talk))
                self._owed -= monotonic() - begun
            self._talks.forget_finished()
            self._observer.answering(len(self._talks))

    def _batch_between(self, talks: Sequence[object]) -> None:
        """A batch, if the steps of answers that go on apart have had as long as the last one took."""
        if len(talks) < 2 or self._owed <= 0:
            self._survive(self._batch)

    def _survive(self, part: Callable[[], None]) -> None:
        """One part of a turn: what breaks in it is told, and the thread goes on."""
        try:
            part()
        except Exception as error:
            self._observer.broke(error)

    def _has_work(self) -> bool:
        return bool(self._stopping or self._changes or self._talks or self._chats or len(self._queue))

    def _fills_a_run(self) -> bool:
        return bool(self._stopping or self._chats or self._queue.tokens >= self._run_tokens)

    def _batch(self) -> None:
        """One batch of what waits."""
        self._owed = 0.0
        with self._changed:
            if not len(self._queue):
                return
            if self._company and not self._talks:
                self._changed.wait_for(self._fills_a_run, timeout=self._wait)
            in_a_moment = min(int(MOMENT * self._queue.rate), self._batch_tokens)
            in_order = in_a_moment >= self._run_tokens and not self._talks
            if in_order:  # and no request a second time for a rest of it that is small
                batch = self._queue.next(in_a_moment, to_end=in_a_moment // 2)
            else:
                batch = self._queue.next(self._batch_tokens)
        if not batch:
            return
        if not in_order:
            batch = self._of_a_kind(batch)
        with self._changed:
            self._queue.take(batch)
        self._company = len(batch) > 1
        begun = monotonic()
        prompts = [checks.prompts[number] for checks, number in batch]
        failure: Exception | None = None
        verdicts: Sequence[Judged] = ()
        try:
            verdicts = self._runs.judge(prompts)
        except Exception as error:
            failure = error
        self._owed = seconds = monotonic() - begun
        if failure is not None:
            self._fail(batch, failure)
            return
        for (checks, number), verdict in zip(batch, verdicts, strict=True):
            checks.give(number, verdict)
        with self._changed:
            self._queue.ran(sum(checks.tokens[number] for checks, number in batch), seconds)
        self._observer.batch([begun - checks.arrived for checks, _ in batch], seconds)

    def _of_a_kind(self, waiting: list[tuple[Checks, int]]) -> list[tuple[Checks, int]]:
        """The first, and what the model runs best with it."""
        if len(waiting) == 1:
            return waiting
        try:
            chosen = self._runs.with_first([checks.prompts[number] for checks, number in waiting])
        except Exception as error:
            self._observer.broke(error)
            return waiting[:1]
        return [waiting[number] for number in chosen]

    def _fail(self, batch: Sequence[tuple[Checks, int]], error: Exception) -> None:
        """Some prompt of a batch broke it: each half is run again, so that in the end only its own request
        fails, and a batch of a hundred takes a dozen runs more, not a hundred."""
        if len(batch) == 1:
            batch[0][0].fail(error)
            return
        error.__traceback__ = None  # it holds the tensors of the run, and there may be no room for both
        middle = len(batch) // 2
        broken: list[tuple[Sequence[tuple[Checks, int]], Exception]] = []
        for half in (batch[:middle], batch[middle:]):
            try:
                verdicts = self._runs.judge([checks.prompts[number] for checks, number in half])
            except Exception as own:
                broken.append((half, own))
            else:
                for (checks, number), verdict in zip(half, verdicts, strict=True):
                    checks.give(number, verdict)
        for half, own in broken:
            self._fail(half, own)

    def _begin(self) -> None:
        """Begin what waits to be answered."""
        with self._changed:
            self._talks.beginning = [one for one in self._chats if not one.cancelled]
            self._chats = []
        self._talks.begin()
