"""What waits, and which of it runs next: fair between requests, alike in length, and never more than fits.

A request of a thousand prompts and one of a single prompt take turns, prompt by prompt, so that the small one
waits for one batch and not for the large one. Within its turn a batch is filled with prompts about as long as
the first, because padding costs what tokens cost. What does not fit waits at the front for the next.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from latentguard.serve.work.tickets import Checks

WIDEST, SLACK = 2, 32
"""A batch's longest prompt is at most so many times as long as its shortest, and so many tokens."""
CONSIDERED = 512
"""Requests that are looked at for one batch."""


class Full(Exception):
    """As much waits as may wait. `after`: seconds until there should be room."""

    def __init__(self, after: float) -> None:
        super().__init__(after)
        self.after = after


@dataclass(slots=True)
class _Waiting:
    """One request's place: its prompts that wait, the longest first."""

    checks: Checks
    numbers: deque[int]


class Queue:
    """Requests that wait for the worker, and their tokens. Not for two threads at once: the worker locks it.

    `most`: tokens that may wait. A request that is larger on its own is let in where nothing waits.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.tokens = 0
        self._waiting: deque[_Waiting] = deque()
        self._rate = 0.0
        """Tokens a second that were run lately."""

    def __len__(self) -> int:
        return sum(len(one.numbers) for one in self._waiting)

    def add(self, checks: Checks) -> None:
        """Let a request in, at the end. Raises `Full`."""
        cost = sum(checks.tokens)
        if self.tokens and self.tokens + cost > self.most:
            raise Full(self.wait())
        self.tokens += cost
        order = sorted(range(len(checks.prompts)), key=lambda number: -checks.tokens[number])
        self._waiting.append(_Waiting(checks, deque(order)))

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
            self.tokens -= sum(one.checks.tokens[number] for number in one.numbers)
            self._waiting.remove(one)

    def take(self, budget: int) -> list[tuple[Checks, int]]:
        """The next batch: (request, number of its prompt), at most `budget` padded tokens, one at least."""
        self.forget()
        batch: list[tuple[Checks, int]] = []
        shortest = longest = 0
        for place in self._turns():
            number = place.numbers[0]
            own = max(place.checks.tokens[number], 1)
            lowest, highest = (min(shortest, own), max(longest, own)) if batch else (own, own)
            if batch and (highest * (len(batch) + 1) > budget or highest > WIDEST * lowest + SLACK):
                continue
            place.numbers.popleft()
            shortest, longest = lowest, highest
            batch.append((place.checks, number))
            self.tokens -= place.checks.tokens[number]
            if longest * (len(batch) + 1) > budget:
                break
        if batch:
            self._waiting.rotate(-1)  # whose turn it was goes to the end
        self._waiting = deque(one for one in self._waiting if one.numbers)
        return batch

    def _turns(self) -> Iterator[_Waiting]:
        """Every request in its order, round after round, until a round takes nothing."""
        considered = list(self._waiting)[:CONSIDERED]
        while True:
            before = sum(len(one.numbers) for one in considered)
            for one in considered:
                if one.numbers:
                    yield one
            if sum(len(one.numbers) for one in considered) == before:
                return
