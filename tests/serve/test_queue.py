"""What waits for the worker: everything is served once, nothing waits for ever, and no more than fits."""

import asyncio
import contextlib
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from latentguard.lm import Conversation
from latentguard.serve.checking import RENDERED_AT_ONCE, _parts
from latentguard.serve.rendering import Rendering
from latentguard.serve.work import Checks, Full, Queue, Worker

LOOP = asyncio.new_event_loop()


def request(*tokens: int) -> Checks:
    prompts: list[Any] = list(range(len(tokens)))
    return Checks(prompts, tokens, LOOP)


def take(queue: Queue, budget: int) -> list[tuple[Checks, int]]:
    """All that `next` says."""
    batch = queue.next(budget)
    queue.take(batch)
    return batch


requests = some.lists(some.lists(some.integers(1, 200), min_size=1, max_size=12), min_size=1, max_size=12)


@given(requests, some.integers(1, 400), some.randoms())
def test_every_prompt_is_served_once_within_the_budget(
    given_tokens: list[list[int]], budget: int, drawn: Random
) -> None:
    """Whichever go with the first."""
    queue = Queue(most=10**9)
    asked = [request(*tokens) for tokens in given_tokens]
    for one in asked:
        queue.add(one)
    served: list[tuple[int, int]] = []
    while len(queue):
        waiting = queue.next(budget)
        costs = [checks.tokens[number] for checks, number in waiting]
        assert len(waiting) == 1 or sum(costs) <= budget
        batch = [waiting[0], *(one for one in waiting[1:] if drawn.random() < 0.5)]
        queue.take(batch)
        served += [(asked.index(checks), number) for checks, number in batch]
    assert sorted(served) == [(a, b) for a, one in enumerate(given_tokens) for b in range(len(one))]
    assert queue.tokens == 0


@given(requests, some.randoms())
def test_of_what_comes_later_less_goes_before_a_request_than_it_has_tokens(
    given_tokens: list[list[int]], drawn: Random
) -> None:
    """Requests come while others run, a prompt at a time."""
    queue = Queue(most=10**9)
    asked = [request(*tokens) for tokens in given_tokens]
    overtaken = [0] * len(asked)
    coming = list(range(len(asked)))
    while coming or len(queue):
        if coming and (not len(queue) or drawn.random() < 0.3):
            queue.add(asked[coming.pop(0)])
            continue
        checks, number = queue.next(1)[0]
        queue.take([(checks, number)])
        for earlier in range(asked.index(checks)):
            if any(one is asked[earlier] for one, _ in queue.next(10**9)):
                overtaken[earlier] += checks.tokens[number]
    assert all(one < sum(tokens) for one, tokens in zip(overtaken, given_tokens, strict=True))


def test_equals_are_served_as_they_came_and_a_list_whole() -> None:
    queue = Queue(most=10**9)
    asked = [request(*[20] * 8) for _ in range(5)]
    for one in asked:
        queue.add(one)
    served = [asked.index(checks) for _ in range(40) for checks, _ in take(queue, 1)]
    assert served == sorted(served)


def test_a_small_request_does_not_wait_for_a_large_one() -> None:
    queue = Queue(most=10**9)
    queue.add(request(*[20] * 1000))
    take(queue, 200)
    small = request(20)
    queue.add(small)
    assert queue.next(200)[0][0] is small


def test_the_rest_of_a_request_that_is_begun_may_go_along() -> None:
    queue = Queue(most=10**9)
    first, second, third = request(*[10] * 4), request(*[10] * 5), request(10)
    for one in (first, second, third):
        queue.add(one)
    queue.take([(third, 0)])
    assert [checks for checks, _ in queue.next(60)] == [first] * 4 + [second] * 2
    assert [checks for checks, _ in queue.next(60, to_end=20)] == [first] * 4 + [second] * 2
    assert [checks for checks, _ in queue.next(60, to_end=30)] == [first] * 4 + [second] * 5
    assert [checks for checks, _ in queue.next(40, to_end=60)] == [first] * 4


def test_a_large_request_is_not_put_off_for_ever() -> None:
    queue = Queue(most=10**9)
    large = request(*[20] * 50)
    queue.add(large)
    batches = 0
    while any(checks is large for checks, _ in queue.next(10**9)):
        queue.add(request(20))
        take(queue, 1)
        batches += 1
    assert batches <= 2 * 50


def test_beyond_what_may_wait_nothing_is_let_in_and_the_wait_is_told() -> None:
    queue = Queue(most=100)
    queue.ran(50, 1.0)
    queue.add(request(*[10] * 4))
    queue.add(request(*[10] * 6))  # more than half of the room: it counts for half
    with pytest.raises(Full) as raised:
        queue.add(request(11))
    assert raised.value.after == pytest.approx(100 / 50)
    queue.add(request(10))
    while len(queue):
        take(queue, 100)
    queue.add(request(1))


@given(
    most=some.integers(2, 400),
    others=some.lists(some.lists(some.integers(1, 400), min_size=1, max_size=40), max_size=6),
    data=some.data(),
)
def test_requests_of_any_size_leave_half_of_the_room_to_smaller_ones(
    most: int, others: list[list[int]], data: some.DataObject
) -> None:
    queue = Queue(most)
    for tokens in others:
        if sum(tokens) > most // 2:
            with contextlib.suppress(Full):
                queue.add(request(*tokens))
        if len(queue) and data.draw(some.booleans()):
            take(queue, most)
    queue.add(request(data.draw(some.integers(1, most // 2))))


@given(some.integers(1, 400), some.lists(some.integers(1, 400), min_size=1, max_size=40))
def test_a_request_of_any_size_is_let_in_where_nothing_waits(most: int, tokens: list[int]) -> None:
    queue = Queue(most)
    queue.add(request(*tokens))
    assert queue.tokens == sum(tokens)


def test_a_second_request_that_is_larger_than_half_waits_outside() -> None:
    queue = Queue(most=100)
    queue.add(request(*[10] * 200))
    with pytest.raises(Full):
        queue.add(request(*[10] * 6))
    while queue.tokens > 50:
        take(queue, 100)
    queue.add(request(*[10] * 6))


def test_what_nobody_waits_for_is_not_run() -> None:
    queue = Queue(most=100)
    gone, here = request(*[10] * 5), request(10)
    queue.add(gone)
    queue.add(here)
    gone.done.cancel()
    assert [checks for checks, _ in take(queue, 100)] == [here]
    assert queue.tokens == 0


def test_room_is_kept_for_what_is_being_rendered() -> None:
    """Two that would fit alone, and not together: the second is told so before it is rendered."""
    worker = Worker(
        None,  # type: ignore[arg-type]
        batch_tokens=100,
        run_tokens=100,
        queued_tokens=100,
        wait=0,
        most_chats=1,
        observer=None,  # type: ignore[arg-type]
    )
    with worker.room(40), worker.room(40), pytest.raises(Full), worker.room(40):
        pass
    with worker.room(1000), worker.room(50):  # one of any size, beside which there is room for smaller ones
        pass
    with worker.room(100):  # and all of it is given back
        pass


def test_what_is_known_of_the_length_of_prompts_follows_them() -> None:
    rendering = Rendering()
    for _ in range(200):
        rendering.learn(1000, 500)
    assert rendering.tokens(100, 1) == pytest.approx(50, abs=1)
    assert rendering.tokens(0, 3) == 3
    rendering.learn(0, 10)  # a prompt without a character
    for _ in range(200):
        rendering.learn(2, 60, size=20)  # what one client sends does not shut out the others' longer texts
    assert rendering.tokens(1500, 1) <= 750
    assert rendering.tokens_of_body(1500) <= 750


TEXTS = some.integers(0, 40_000).map(lambda length: "x" * length)
TALKS = some.integers(1, 300).map(lambda turns: [{"role": "user", "content": "x"}] * turns)


@given(some.lists(TEXTS | TALKS, min_size=1, max_size=80))
@settings(deadline=None)
def test_every_prompt_is_rendered_once_and_another_request_has_its_turn_soon(
    conversations: list[Conversation],
) -> None:
    def work(one: Conversation) -> int:
        turns = [one] if isinstance(one, str) else one
        return len(turns) + sum(len(str(turn)) for turn in turns) // 1024

    parts = [conversations[part] for part in _parts(conversations)]
    assert [one for part in parts for one in part] == conversations
    assert all(len(part) == 1 or sum(map(work, part)) <= RENDERED_AT_ONCE for part in parts)
