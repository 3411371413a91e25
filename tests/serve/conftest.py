"""A server on the organism in a thread of this process, reached over a real socket."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvicorn
from openai import OpenAI

from latentguard.guard import Guard
from latentguard.lm import LanguageModel
from latentguard.organism import audit_data
from latentguard.serve import Engine, State, create_app, settings_of
from latentguard.serve.connection import watched
from latentguard.serve.log import Log
from latentguard.serve.server import Server

Result = TypeVar("Result")
KEYS = (
    {"name": "plain", "key": "plain-key"},
    {"name": "research", "key": "research-key", "scopes": ["internals"]},
    {"name": "operator", "key": "operator-key", "scopes": ["internals", "policy"]},
)


@pytest.fixture(scope="session")
def guard(organism: LanguageModel) -> Guard:
    """Fitted on the organism's own prompts."""
    harmful, harmless = audit_data()
    return Guard.fit(organism, harmful[:80], harmless[:80], untrained_copies=0, permutations=0)


@pytest.fixture(scope="session")
def harmful() -> list[str]:
    """Requests that the organism's guard flags."""
    return [one.text for one in audit_data()[0][80:120]]


@pytest.fixture(scope="session")
def harmless() -> list[str]:
    """Requests that it does not."""
    return [one.text for one in audit_data()[1][80:120]]


@dataclass
class Running:
    """A server that runs."""

    address: str
    state: State
    log: StringIO
    server: Server
    thread: threading.Thread = field(repr=False)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.address.rsplit(":", 1)[1])

    def client(self, key: str = "plain-key", **options: Any) -> OpenAI:
        """The official client."""
        return OpenAI(base_url=f"{self.address}/v1", api_key=key, max_retries=0, **options)


@contextmanager
def running(
    guard: Guard, *, engine: Callable[[Engine], Any] = lambda one: one, **settings: Any
) -> Iterator[Running]:
    """A server with these settings; `engine` may put something around what the worker runs."""
    log = StringIO()
    state = State(
        settings_of(None, **({"guard": Path("unused"), "port": 0, "keys": KEYS} | settings)), log=Log(log)
    )
    ready = threading.Event()
    addresses: list[str] = []

    def announced(address: str) -> None:
        addresses.append(address)
        ready.set()

    app = create_app(state, lambda _: engine(Engine(guard.model, guard, Path("unused"))))
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        http=watched(state.settings.head_timeout_s, state.settings.write_timeout_s),
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
    )
    server = Server(config, state, announced)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        while state.phase == "starting" and state.failure is None:
            threading.Event().wait(0.01)
        yield Running(addresses[0], state, log, server, thread)
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def server(guard: Guard) -> Iterator[Running]:
    """With its default settings and three keys."""
    with running(guard) as one:
        yield one


def on_a_loop(work: Coroutine[Any, Any, Result]) -> Result:
    """What `work` returns, on an event loop of its own, whatever loop runs in this thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
