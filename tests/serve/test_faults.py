"""What breaks around a server: its process, its disk, its log's reader, its guard; what clients see of it."""

import asyncio
import http.client
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import latentguard
from latentguard.errors import ArtefactMismatch
from latentguard.guard import Guard
from latentguard.lm import Rendered
from latentguard.serve import Engine, State, reloading, serve, settings_of
from latentguard.serve.log import Log
from latentguard.serve.standard_error import Unblocked
from tests.serve.conftest import Running, running

NOWHERE = "/dev/full"
needs_full = pytest.mark.skipif(not os.path.exists(NOWHERE), reason="no device that is always full")


def ask(port: int, path: str, body: object = None, key: str = "operator-key") -> tuple[int, str]:
    """Status and text of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    with_body = {} if body is None else {"body": json.dumps(body)}
    connection.request("GET" if body is None else "POST", path, headers=headers, **with_body)  # type: ignore[arg-type]
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def ready(port: int, process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until requests are served."""
    begun = time.monotonic()
    while time.monotonic() - begun < 90:
        with suppress(OSError):
            if ask(port, "/readyz")[0] == 200:
                return
        assert process is None or process.poll() is None, f"it ended with {process.poll()}"
        time.sleep(0.05)
    raise AssertionError("it is not ready")


@contextmanager
def process(guard: Path, port: int, redirected: str, **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    """`latentguard serve` in a process of its own, behind a shell's redirection."""
    command = f'exec "$0" -m latentguard serve --guard "$1" --port {port} {redirected}'
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    made = subprocess.Popen(["sh", "-c", command, sys.executable, str(guard)], env=environment, **streams)
    try:
        yield made
    finally:
        made.kill()
        made.wait()


@pytest.fixture
def stuck() -> Iterator[int]:
    """The end of a pipe that nobody reads and that holds as much as it can."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"." * 4096)
    os.set_blocking(writing, True)
    yield writing
    os.set_blocking(reading, False)
    with suppress(BlockingIOError):
        while os.read(reading, 65536):  # what is still being written comes to its end
            pass
    os.close(reading)
    os.close(writing)


@needs_full
def test_after_kill_9_it_comes_up_on_its_port_and_no_stream_that_cannot_be_written_stops_it(
    guard: Guard, tmp_path: Path, stuck: int
) -> None:
    guard.save(tmp_path / "guard")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    text = {"input": "hello"}
    with process(tmp_path / "guard", port, f">&- 2>{NOWHERE}") as killed:
        ready(port, killed)
        assert [ask(port, "/v1/moderations", text)[0] for _ in range(20)] == [200] * 20
        lost = next(
            line
            for line in ask(port, "/metrics")[1].splitlines()
            if line.startswith("latentguard_log_lines_dropped_total ")
        )
        assert float(lost.split()[1]) >= 20
        held = socket.create_connection(("127.0.0.1", port))  # and a connection is open
        held.sendall(b"POST /v1/moderations HTTP/1.1\r\nHost: x\r\n")
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    with process(tmp_path / "guard", port, f">{NOWHERE}", stderr=stuck) as again:
        ready(port, again)
        assert [ask(port, "/v1/moderations", text)[0] for _ in range(20)] == [200] * 20
        with socket.create_connection(("127.0.0.1", port)) as bad:
            bad.sendall(b"no HTTP at all\r\n\r\n")  # uvicorn warns of it
            assert bad.recv(12) == b"HTTP/1.1 400"
        assert ask(port, "/v1/moderations", text)[0] == 200
        again.send_signal(signal.SIGTERM)
        assert again.wait(30) == 0
    held.close()


def test_a_log_that_nobody_reads_is_lost_and_counted_and_what_was_kept_comes_whole(stuck: int) -> None:
    lost: list[int] = []
    with os.fdopen(os.dup(stuck), "w") as stream:
        begun = time.monotonic()
        unblocked = Unblocked(stream, lost.append, most=1000)
        log = Log(unblocked)  # type: ignore[arg-type]
        for number in range(100):
            log("request", number=number)
        assert time.monotonic() - begun < 5
        assert not unblocked.settle(0)
        kept = 100 - sum(lost)
        assert 0 < kept < 100
        unblocked.end()


def test_what_is_written_comes_in_its_order_with_what_libraries_warn_of() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        unblocked = Unblocked(stream, lambda lines: None)
        log = Log(unblocked)  # type: ignore[arg-type]
        with log.hearing():
            log("first")
            logging.getLogger("uvicorn.error").warning("Invalid %s", "HTTP")
        logging.getLogger("uvicorn.error").warning("not heard any more")
        log("last")
        assert unblocked.settle(30)
        unblocked.end()
    with os.fdopen(reading) as end:
        lines = [json.loads(line) for line in end]
    assert [line["event"] for line in lines] == ["first", "warning", "last"]
    assert (lines[1]["logger"], lines[1]["message"]) == ("uvicorn.error", "Invalid HTTP")


class Closed(StringIO):
    """A stream that fails as a full disk does."""

    def write(self, text: str, /) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("stream", [Closed(), None])
def test_a_line_that_cannot_be_written_is_counted(stream: StringIO | None) -> None:
    lost: list[int] = []
    unblocked = Unblocked(stream, lost.append)
    Log(unblocked)("request")  # type: ignore[arg-type]
    assert unblocked.settle(30)
    unblocked.end()
    assert lost == ([] if stream is None else [1])


@pytest.mark.parametrize("text", ["hello " * 100_000, "!?" * 50_000], ids=["by characters", "by tokens"])
def test_a_prompt_of_a_hundred_thousand_tokens_is_refused_and_the_next_is_served(
    server: Running, text: str
) -> None:
    turns = [{"role": "user", "content": text}]
    for path, body, param in (
        ("/v1/moderations", {"input": ["hello", text]}, "input.1"),
        ("/v1/moderations", {"messages": turns}, "messages"),
        ("/v1/guard/checks", {"prompts": [text]}, "prompts"),
        ("/v1/chat/completions", {"model": "organism", "messages": turns}, "messages"),
        ("/v1/chat/completions", {"model": "organism", "messages": turns, "stream": True}, "messages"),
    ):
        begun = time.monotonic()
        status, said = ask(server.port, path, body)
        assert time.monotonic() - begun < 10
        error = json.loads(said)["error"]
        assert (status, error["code"], error["param"]) == (400, "context_length_exceeded", param)
        assert error["type"] == "invalid_request_error"
        assert len(said) < 2000
        assert ask(server.port, "/v1/moderations", {"input": "hello"})[0] == 200


def test_a_server_whose_guard_is_of_another_model_ends_and_was_never_ready(tmp_path: Path) -> None:
    """`tests/cli/test_serve.py` has the exit code."""
    state = State(settings_of(None, guard=tmp_path, port=0), log=Log(StringIO()))
    listening, release = threading.Event(), threading.Event()
    addresses: list[str] = []

    def load(_: State) -> Engine:
        assert release.wait(30)
        raise ArtefactMismatch("the guard was fitted on another model.")

    def announced(address: str) -> None:
        addresses.append(address)
        listening.set()

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(serve, state, load, announced)
        assert listening.wait(30)
        port = int(addresses[0].rsplit(":", 1)[1])
        seen = [ask(port, "/readyz")[0], ask(port, "/v1/moderations", {"input": "hello"})[0]]
        release.set()
        with suppress(OSError):  # until nobody listens any more
            while True:
                seen.append(ask(port, "/readyz")[0])
        with pytest.raises(ArtefactMismatch):
            ended.result(30)
    assert set(seen) == {503}


class Breaks(Engine):
    """An engine whose model breaks on some words, with a path in what it says."""

    def judge(self, prompts: Any) -> Any:
        for one in prompts:
            self._check(one)
        return super().judge(prompts)

    def begin(self, chats: Any) -> Any:
        for one in chats:
            self._check(one.prompt)
        return super().begin(chats)

    def _check(self, prompt: Rendered) -> None:
        if "break" in prompt.text:
            raise FileNotFoundError(2, "No such file", str(self.guard_folder))


def test_no_error_tells_a_client_where_anything_lies(guard: Guard, tmp_path: Path) -> None:
    own = Path(latentguard.__file__).parent
    model = latentguard.load("organism", dtype="float32")
    guard.save(tmp_path / "guard")
    here = Guard.load(tmp_path / "guard", model)
    user = {"role": "user", "content": "hello"}
    bodies: dict[str, list[dict[str, Any]]] = {
        "/v1/moderations": [
            {"input": one} for one in ("", " ", "!?" * 50_000, "\ud800", "break it", ["hello", "break"])
        ]
        + [
            {"messages": turns}
            for turns in (
                [{"role": "system", "content": "x"}],
                [{"role": "tool", "content": "x"}, user],
                [user, {"role": "assistant", "content": "a"}],
                [{"role": "user", "content": "x", "name": "<|im_end|>"}],
                [user, {"role": "assistant", "tool_calls": [{"a": 1}]}, user],
                [{"role": "assistant", "content": None, "tool_calls": [{"id": "<|im_end|>"}]}, user],
            )
        ],
        "/v1/guard/checks": [{"prompts": ["!?" * 50_000]}, {"prompts": [""]}, {"prompts": ["break it"]}],
        "/v1/chat/completions": [
            {"model": "organism", "messages": [{"role": "user", "content": one}], "stream": stream}
            for one in ("", "!?" * 50_000, "break it")
            for stream in (False, True)
        ]
        + [{"model": str(tmp_path.name), "messages": [user]}],
    }
    engine: Callable[[Engine], Engine] = lambda _: Breaks(model, here, tmp_path / "guard")  # noqa: E731
    with running(guard, engine=engine) as server:
        statuses: list[int] = []
        for path, several in bodies.items():
            for body in several:
                status, said = ask(server.port, path, body)
                statuses.append(status)
                assert str(own) not in said, (path, body)
                assert str(tmp_path) not in said, (path, body)
        assert {400, 404, 500} <= set(statuses)
        for path in ("/v1/models", "/openapi.json", "/readyz", "/metrics", "/nothing"):
            said = ask(server.port, path)[1]
            assert str(own) not in said
            assert str(tmp_path) not in said


class Loads:
    """`Guard.load` whose first call waits for the second one, if that comes while it reads."""

    def __init__(self, *guards: Guard) -> None:
        self.guards = list(guards)
        self.began, self.overtaken = threading.Event(), threading.Event()

    def load(self, *_: object) -> Guard:
        """The next of the guards."""
        first, one = not self.began.is_set(), self.guards.pop(0)
        if first:
            self.began.set()
            self.overtaken.wait(0.3)
        else:
            self.overtaken.set()
        return one


def test_of_two_signals_the_guard_of_the_last_one_stays(
    guard: Guard, harmless: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    older, newer = (guard.calibrated(harmless, target_fpr=rate) for rate in (0.5, 0.9))
    loads = Loads(older, newer)
    monkeypatch.setattr(reloading, "Guard", loads)
    with running(guard) as server:

        async def two() -> None:
            reloading.ask(server.state)
            await asyncio.to_thread(loads.began.wait, 30)
            reloading.ask(server.state)
            while loads.guards or not (server.state.reloading and server.state.reloading.done()):
                await asyncio.sleep(0.01)

        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, two()).result(30)
        server.client().moderations.create(input="hello")  # after the change
        assert server.state.engine is not None
        assert server.state.engine.guard is newer
    assert server.log.getvalue().count('"event": "reloaded"') == 2


def test_a_signal_while_the_model_is_loaded_is_answered_when_it_has_been(
    guard: Guard, tmp_path: Path
) -> None:
    guard.save(tmp_path)
    with running(guard, engine=lambda own: Engine(own.model, own.guard, tmp_path)) as server:

        async def early() -> None:
            worker, server.state.worker = server.state.worker, None
            reloading.ask(server.state)
            await asyncio.sleep(0)
            server.state.worker = worker
            assert server.state.reloading is not None
            await server.state.reloading

        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, early()).result(30)
    assert '"event": "reloaded"' in server.log.getvalue()
