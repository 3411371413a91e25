"""What waits, and which of it runs next: fair between requests, and never more than fits.

Requests stand in the order of the tokens that came before them, and twice their own. So of what comes later
less goes before a request than it has tokens itself: a single text does not wait for a list of a thousand,
the list waits for no more than as much again, and equals are served as they came.

Every batch is made around the first prompt in that order. What else waits rides with it where it wastes
little on padding, or shares a beginning (`lm/batches.py`); the next one is chosen among what came meanwhile,
too.

What waits is measured in tokens. Requests that alone would take more than half of the room take half of it
together, and the next of them is let in when that much is left of the others: one of any size is served, and
shuts out none that is smaller.
"""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass

from latentguard.serve.work.tickets import Checks

CONSIDERED = 512
"""Prompts that are looked at for one batch, at most."""


class Full(Exception):
    """As much waits as may wait. `after`: seconds until there should be room."""

    def __init__(self, after: float) -> None:
        super().__init__(after)
        self.after = after


@dataclass(slots=True)
class _Waiting:
    """One request's place: its prompts that wait, in their order, and their tokens."""

    checks: Checks
    place: int
    """In the order of what waits: tokens that came before it, and twice its own."""
    size: int
    """Its tokens when it came."""
    numbers: list[int]
    tokens: int


class Queue:
    """Requests that wait for the worker, and their tokens. Not for two threads at once: the worker locks it.

    `most`: tokens that may wait. Requests that are larger than half of that count for this half together.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.tokens = 0
        self.promised = 0
        """Tokens of requests that are let in once they are rendered."""
        self._waiting: list[_Waiting] = []
        self._came = 0
        """Tokens of all that was let in."""
        self.rate = 0.0
        """Tokens a second that were run lately."""

    def __len__(self) -> int:
        return sum(len(one.numbers) for one in self._waiting)

    def add(self, checks: Checks) -> None:
        """Let a request in. Raises `Full`."""
        cost = sum(checks.tokens)
        self.require(cost)
        self.tokens += cost
        one = _Waiting(checks, self._came + 2 * cost, cost, list(range(len(checks.prompts))), cost)
        self._came += cost
        insort(self._waiting, one, key=lambda other: other.place)

    def require(self, cost: int) -> None:
        """Raises `Full` where a request of so many tokens would not be let in now."""
        self.forget()
        half = self.most // 2
        large = sum(one.tokens for one in self._waiting if one.size > half)
        small = self.promised + sum(one.tokens for one in self._waiting if one.size <= half)
        if cost > half:
            fits, large = large <= half, large + cost
        else:
            fits, small = True, small + cost
        if (self._waiting or self.promised) and not (fits and min(large, half) + small <= self.most):
            raise Full(self.wait())

    def wait(self) -> float:
        """Seconds that what waits will take, as far as is known."""
        return self.tokens / self.rate if self.rate else 1.0

    def ran(self, tokens: int, seconds: float) -> None:
        """A batch of so many tokens took so long."""
        rate = tokens / max(seconds, 1e-6)
        self.rate = rate if not self.rate else 0.8 * self.rate + 0.2 * rate

    def forget(self) -> None:
        """Take out requests that are over."""
        for one in [one for one in self._waiting if one.checks.over]:
            self.tokens -= one.tokens
            self._waiting.remove(one)

    def next(self, budget: int, *, to_end: int = 0) -> list[tuple[Checks, int]]:
        """Of what waits, (request, number of its prompt), in order: as much as has `budget` tokens together,
        one prompt at least; and the rest of a request that is begun, where `to_end` more are enough for it.
        The first of them must run next."""
        self.forget()
        found: list[tuple[Checks, int]] = []
        tokens = 0
        for one in self._waiting:
            most = budget
            if tokens < budget and tokens + one.tokens <= budget + to_end:
                most += to_end
            for number in one.numbers:
                tokens += one.checks.tokens[number]
                if found and (tokens > most or len(found) == CONSIDERED):
                    return found
                found.append((one.checks, number))
        return found

    def take(self, batch: Sequence[tuple[Checks, int]]) -> None:
        """These run now: some of what `next` said."""
        taken: dict[Checks, set[int]] = {}
        for checks, number in batch:
            taken.setdefault(checks, set()).add(number)
        for one in self._waiting:
            if own := taken.get(one.checks):
                cost = sum(one.checks.tokens[number] for number in own)
                one.numbers = [number for number in one.numbers if number not in own]
                one.tokens -= cost
                self.tokens -= cost
        self._waiting = [one for one in self._waiting if one.numbers]
