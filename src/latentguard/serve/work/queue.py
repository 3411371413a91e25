"""What waits, and which of it runs next: fair between requests, and never more than fits.

A request of a thousand prompts and one of a single prompt take turns, prompt by prompt, so that the small one
waits for one batch and not for the large one. A batch is measured in tokens that its prompts do not share;
the model sorts it by length and runs it in pieces that waste little on padding (`lm/batches.py`).

What waits is measured in tokens, too. A request that alone would take more than half of the room takes half
of it, and no second one is let in beside it: one of any size is served, and shuts out none that is smaller.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from latentguard.serve.work.tickets import Checks

CONSIDERED = 512
"""Requests that are looked at for one batch."""


class Full(Exception):
    """As much waits as may wait. `after`: seconds until there should be room."""

    def __init__(self, after: float) -> None:
        super().__init__(after)
        self.after = after


@dataclass(slots=True)
class _Waiting:
    """One request's place: its prompts that wait, in their order, and their tokens."""

    checks: Checks
    numbers: deque[int]
    tokens: int


class Queue:
    """Requests that wait for the worker, and their tokens. Not for two threads at once: the worker locks it.

    `most`: tokens that may wait, where a request counts for half of that at most. Of requests that are larger
    than this half one may wait at a time.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.tokens = 0
        self.promised = 0
        """Tokens of requests that are let in once they are rendered."""
        self._waiting: deque[_Waiting] = deque()
        self._rate = 0.0
        """Tokens a second that were run lately."""

    def __len__(self) -> int:
        return sum(len(one.numbers) for one in self._waiting)

    def add(self, checks: Checks) -> None:
        """Let a request in, at the end. Raises `Full`."""
        cost = sum(checks.tokens)
        self.require(cost)
        self.tokens += cost
        self._waiting.append(_Waiting(checks, deque(range(len(checks.prompts))), cost))

    def require(self, cost: int) -> None:
        """Raises `Full` where a request of so many tokens would not be let in now."""
        self.forget()
        half = self.most // 2
        room = self.most - self.promised - sum(min(one.tokens, half) for one in self._waiting)
        large = cost > half and any(one.tokens > half for one in self._waiting)
        if (self._waiting or self.promised) and (large or min(cost, half) > room):
            raise Full(self.wait())

    def wait(self) -> float:
        """Seconds that what waits will take, as far as is known."""
        return self.tokens / self._rate if self._rate else 1.0

    def ran(self, tokens: int, seconds: float) -> None:
        """A batch of so many tokens took so long."""
        rate = tokens / max(seconds, 1e-6)
        self._rate = rate if not self._rate else 0.8 * self._rate + 0.2 * rate

    def forget(self) -> None:
        """Take out requests that are over."""
        for one in [one for one in self._waiting if one.checks.over]:
            self.tokens -= one.tokens
            self._waiting.remove(one)

    def take(self, budget: int) -> list[tuple[Checks, int]]:
        """The next batch: (request, number of its prompt), at most `budget` tokens, one prompt at least."""
        self.forget()
        batch: list[tuple[Checks, int]] = []
        taken = 0
        for place in self._turns():
            cost = place.checks.tokens[place.numbers[0]]
            if batch and taken + cost > budget:
                break
            batch.append((place.checks, place.numbers.popleft()))
            place.tokens -= cost
            taken += cost
        self.tokens -= taken
        if batch:
            self._waiting.rotate(-1)  # whose turn it was goes to the end
        self._waiting = deque(one for one in self._waiting if one.numbers)
        return batch

    def _turns(self) -> Iterator[_Waiting]:
        """Every request in its order, round after round."""
        considered = list(self._waiting)[:CONSIDERED]
        while considered := [one for one in considered if one.numbers]:
            yield from considered
