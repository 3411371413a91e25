"""What would slow the worker down: torch in threads that live on, and looking through what never goes."""

import asyncio
import gc
import threading
from pathlib import Path

import pytest

from latentguard.guard import Guard
from latentguard.serve import Engine, State, settings_of
from latentguard.serve.aside import aside
from latentguard.serve.server import model_left_alone
from tests.serve.conftest import on_a_loop


def test_the_thread_ends_with_its_work():
    seen: list[threading.Thread] = []

    def work(number: int) -> int:
        seen.append(threading.current_thread())
        return number + 1

    assert on_a_loop(aside(work, 2)) == 3
    seen[0].join(20)
    assert seen[0] is not threading.main_thread()
    assert not seen[0].is_alive()


def test_what_it_raises_is_raised():
    def work() -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        on_a_loop(aside(work))


def test_a_caller_that_gives_up_leaves_it_running():
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(20)
        ended.set()

    async def give_up() -> None:
        task = asyncio.create_task(aside(work))
        await asyncio.to_thread(begun.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        await asyncio.to_thread(ended.wait, 20)

    on_a_loop(give_up())
    assert ended.is_set()


def test_the_garbage_collector_passes_by_a_model_while_it_is_served(guard: Guard):
    engine = Engine(guard.model, guard, Path("unused"))
    state = State(settings_of(None, guard=Path("unused")))
    with model_left_alone(lambda _: engine) as load:
        assert load(state) is engine
        assert gc.get_freeze_count() > 10_000
    assert gc.get_freeze_count() == 0
