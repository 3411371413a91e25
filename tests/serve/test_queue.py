"""What waits for the worker: everything is served once, nothing waits for ever, and no more than fits."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from latentguard.serve.work import Checks, Full, Queue

LOOP = asyncio.new_event_loop()


def request(*tokens: int) -> Checks:
    prompts: list[Any] = list(range(len(tokens)))
    return Checks(prompts, tokens, LOOP)


requests = some.lists(some.lists(some.integers(1, 200), min_size=1, max_size=12), min_size=1, max_size=12)


@given(requests, some.integers(1, 400))
def test_every_prompt_is_served_once_within_the_budget(given_tokens: list[list[int]], budget: int) -> None:
    queue = Queue(most=10**9)
    asked = [request(*tokens) for tokens in given_tokens]
    for one in asked:
        queue.add(one)
    served: list[tuple[int, int]] = []
    while len(queue):
        batch = queue.take(budget)
        assert batch
        costs = [checks.tokens[number] for checks, number in batch]
        assert len(batch) == 1 or sum(costs) <= budget
        served += [(asked.index(checks), number) for checks, number in batch]
    assert sorted(served) == [(a, b) for a, one in enumerate(given_tokens) for b in range(len(one))]
    assert queue.tokens == 0


@given(requests, some.integers(50, 400))
def test_a_request_gets_its_turn_after_one_batch_for_each_before_it(
    given_tokens: list[list[int]], budget: int
) -> None:
    """Whatever the others hold: it is the first of some batch by then."""
    queue = Queue(most=10**9)
    for tokens in given_tokens:
        queue.add(request(*tokens))
    last = request(1)
    queue.add(last)
    for _ in range(len(given_tokens) + 1):
        if any(checks is last for checks, _ in queue.take(budget)):
            return
    raise AssertionError("it waited for more than a batch for each request before it")


def test_a_small_request_does_not_wait_for_a_large_one() -> None:
    queue = Queue(most=10**9)
    queue.add(request(*[20] * 1000))
    queue.take(200)
    small = request(20)
    queue.add(small)
    assert any(checks is small for checks, _ in queue.take(200))


def test_beyond_what_may_wait_nothing_is_let_in_and_the_wait_is_told() -> None:
    queue = Queue(most=100)
    queue.ran(50, 1.0)
    queue.add(request(*[30] * 5))  # alone it may be larger
    with pytest.raises(Full) as raised:
        queue.add(request(1))
    assert raised.value.after == pytest.approx(150 / 50)
    while len(queue):
        queue.take(100)
    queue.add(request(1))


def test_what_nobody_waits_for_is_not_run() -> None:
    queue = Queue(most=100)
    gone, here = request(*[10] * 5), request(10)
    queue.add(gone)
    queue.add(here)
    gone.done.cancel()
    assert [checks for checks, _ in queue.take(100)] == [here]
    assert queue.tokens == 0
