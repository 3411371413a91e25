"""Sockets that misbehave, and the end of the process: each is closed within its limit, the next is served."""

import asyncio
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from latentguard.guard import Guard
from latentguard.serve import connection
from latentguard.serve.server import listening
from tests.serve.conftest import Running, on_a_loop, running
from tests.serve.test_worker import Recorded


@pytest.fixture(scope="module")
def hasty(guard: Guard) -> Iterator[Running]:
    """A server that waits for nothing longer than half a second."""
    with running(
        guard, head_timeout_s=0.5, body_timeout_s=0.5, write_timeout_s=0.5, max_body_bytes=20_000, keys=()
    ) as one:
        yield one


def talk(server: Running, sent: bytes, *, seconds: float = 5) -> bytes:
    """What comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.settimeout(seconds)
        connection.sendall(sent)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


def still_serves(server: Running) -> None:
    assert server.client().moderations.create(input="hello").results


def status_of_next(client: socket.socket) -> int:
    """The status of the next answer, which is read to its end."""
    answer = http.client.HTTPResponse(client)
    answer.begin()
    answer.read()
    return answer.status


def post(path: str, body: bytes, *, length: int | None = None, kind: str = "application/json") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: "
    return head.encode() + str(len(body) if length is None else length).encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    "sent", [b"", b"POST /v1/mod", b"POST /v1/moderations HTTP/1.1\r\nHost: localhost\r\nX-A: "]
)
def test_a_head_that_does_not_come_is_not_waited_for(hasty: Running, sent: bytes) -> None:
    with contextlib.suppress(ConnectionResetError):
        assert talk(hasty, sent) == b""
    still_serves(hasty)


def test_a_head_a_byte_at_a_time_is_not_waited_for_either(hasty: Running) -> None:
    with socket.create_connection(("127.0.0.1", hasty.port)) as connection:
        begun = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - begun < 10:
                connection.sendall(b"G")
                time.sleep(0.05)
        assert time.monotonic() - begun < 5
    still_serves(hasty)


def test_an_endless_head_is_too_long(hasty: Running) -> None:
    answer = talk(hasty, b"GET / HTTP/1.1\r\n" + b"X-A: " + b"a" * 70_000)
    assert answer.startswith(b"HTTP/1.1 431")
    still_serves(hasty)


def test_a_body_that_does_not_come_gets_408(hasty: Running) -> None:
    answer = talk(hasty, post("/v1/moderations", b'{"input": ', length=5000))
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"timeout_error" in answer
    still_serves(hasty)


def test_a_body_that_is_too_large_gets_413(hasty: Running) -> None:
    announced = talk(hasty, post("/v1/moderations", b"{", length=10 << 20))
    assert announced.startswith(b"HTTP/1.1 413")
    chunked = b"POST /v1/moderations HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = talk(hasty, chunked + b"10000\r\n" + b" " * 0x10000 + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 413")
    still_serves(hasty)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"input": "\xff\xfe"}', "application/json", 400),
        (b'{"input": "a', "application/json", 400),
        (b"[" * 5000, "application/json", 400),
        (b'{"input": "\\ud800"}', "application/json", 400),
        (b"null", "application/json", 400),
        (b"", "application/json", 400),
        (b'{"input": "x"}', "text/plain", 415),
        (b"input=x", "application/x-www-form-urlencoded", 415),
    ],
)
def test_what_is_no_json_is_told_so(hasty: Running, body: bytes, kind: str, status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", hasty.port)
    connection.request("POST", "/v1/moderations", body, {"Content-Type": kind})
    answer = connection.getresponse()
    assert answer.status == status
    assert set(json.loads(answer.read())["error"]) == {"message", "type", "param", "code"}
    still_serves(hasty)


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nothing", 404), ("GET", "/v1/moderations", 405)]
)
def test_paths_and_methods_that_are_not_there(hasty: Running, method: str, path: str, status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", hasty.port)
    connection.request(method, path, headers={"X-Request-Id": "mine"})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["X-Request-Id"]) == (status, "mine")
    assert json.loads(answer.read())["error"]["message"]


def test_the_rest_of_a_body_that_was_answered_too_early_is_not_waited_for(server: Running) -> None:
    begun = time.monotonic()
    answer = talk(server, post("/v1/moderations", b"{", length=1_000_000), seconds=10)  # and no key
    assert answer.startswith(b"HTTP/1.1 401")
    assert time.monotonic() - begun < 8


def test_lines_behind_a_body_are_nobodys(hasty: Running) -> None:
    head = b"POST /v1/moderations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    body = b'{"input": "hello"}'
    sent = head + b"Transfer-Encoding: chunked\r\n\r\n" + f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n"
    with socket.create_connection(("127.0.0.1", hasty.port)) as connection:
        connection.sendall(sent + b"X-Request-Id: from-behind\r\n" * 50 + b"\r\n")
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"from-behind" not in answer


def test_metrics_want_a_key_where_there_are_keys(server: Running, hasty: Running) -> None:
    assert talk(server, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").startswith(
        b"HTTP/1.1 401"
    )
    assert b"latentguard_prompts_total" in metrics(hasty.port)


def test_a_client_that_never_reads_is_let_go(guard: Guard) -> None:
    with running(guard, write_timeout_s=0.5, keys=(), refusal_text="x" * 4_000_000) as server:
        body = {"model": "organism", "messages": [{"role": "user", "content": "hello"}]}
        body |= {"stream": True, "guard": {"threshold": 0}}
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(post("/v1/chat/completions", json.dumps(body).encode()))
            for _ in range(100):
                time.sleep(0.05)
                if (
                    not server.state.requests
                    and server.state.metrics.requests.labels("/v1/chat/completions", "200")._value.get()
                ):
                    break
            else:
                raise AssertionError("its request is still being served")
        still_serves(server)


def test_sigterm_answers_what_was_accepted_and_then_ends(tmp_path: Path, guard: Guard) -> None:
    guard.save(tmp_path / "guard")
    process = subprocess.Popen(
        [sys.executable, "-m", "latentguard", "serve", "--guard", str(tmp_path / "guard"), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ
        | {
            "OMP_NUM_THREADS": "1",
            "LATENTGUARD_SERVE_HEAD_TIMEOUT_S": "30",
            "LATENTGUARD_SERVE_BODY_TIMEOUT_S": "3",
        },
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[2].rstrip(";")
        port = int(address.rsplit(":", 1)[1])
        begun = time.monotonic()
        while time.monotonic() - begun < 60:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                break
            time.sleep(0.1)
        idle = socket.create_connection(("127.0.0.1", port))
        idle.sendall(b"POST /v1/moderations HTTP/1.1\r\nHost: localhost\r\n")  # a head that never ends
        partial = socket.create_connection(("127.0.0.1", port))
        partial.sendall(post("/v1/moderations", b'{"input": "hel', length=30))  # a body that never does
        answers: list[int] = []
        said: list[bytes] = []

        def talk() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            messages = [{"role": "user", "content": "hello there"}]
            body = json.dumps({"model": "organism", "messages": messages, "stream": True})
            connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
            said.append(connection.getresponse().read())

        def one() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            body = json.dumps({"input": ["hello there"] * 200})
            connection.request("POST", "/v1/moderations", body, {"Content-Type": "application/json"})
            answers.append(connection.getresponse().status)

        threads = [threading.Thread(target=each) for each in (talk, one, one, one)]
        for each in threads:
            each.start()
        while b"latentguard_batch_prompts_count 0.0" in (counted := metrics(port)) or (
            b'latentguard_requests_total{path="/v1/chat/completions",status="200"}' not in counted
            and b"latentguard_answers_in_the_making 0.0" in counted
        ):
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        for each in threads:
            each.join(60)
        assert process.wait(60) == 0
        assert len(answers) == 3
        assert set(answers) <= {200, 429}
        assert 200 in answers
        assert said[0].endswith(b"data: [DONE]\n\n")
        assert partial.recv(65536).startswith(b"HTTP/1.1 408")
        idle.close()
        partial.close()
    finally:
        process.kill()
        process.wait()


def metrics(port: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/metrics")
    return connection.getresponse().read()


def test_who_sends_more_than_is_read_can_read_the_answer(hasty: Running) -> None:
    """All of it is sent: a connection that was closed at once would be reset, and the answer lost."""
    client = http.client.HTTPConnection("127.0.0.1", hasty.port, timeout=20)
    body = json.dumps({"input": "hello " * (10 << 20)})[: 10 << 20]
    client.request("POST", "/v1/moderations", body, {"Content-Type": "application/json"})
    answer = client.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["error"]["code"] == "request_too_large"
    still_serves(hasty)


def test_what_cannot_be_parsed_is_answered_in_the_envelope(hasty: Running) -> None:
    for sent, status in ((b"no HTTP at all\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000, 431)):
        head, body = talk(hasty, sent).split(b"\r\n\r\n")
        assert head.split()[1] == str(status).encode()
        assert json.loads(body)["error"]["type"] == "invalid_request_error"
    still_serves(hasty)


def test_endless_lines_behind_a_body_end_the_connection(server: Running) -> None:
    head = b"POST /v1/moderations HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer plain-key\r\n"
    head += b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: "
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(head)
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                client.sendall(b"a" * 65536)
            assert client.recv(1) == b""
    assert time.monotonic() - begun < 15  # a body has 30 s
    still_serves(server)


def test_what_stands_behind_a_request_does_not_end_its_answer(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the beginning of another head, which is late, nor what is no head at all, nor another's body, which
    comes in two parts."""
    monkeypatch.setattr(connection, "LINGERS", 0.1)
    ask = post("/v1/moderations", b'{"input": "hello"}')
    with running(
        guard, engine=lambda own: Recorded(own, lambda _: time.sleep(0.6)), head_timeout_s=0.2, keys=()
    ) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
            client.sendall(ask)
            time.sleep(0.1)
            client.sendall(b"POST /v1")
            assert status_of_next(client) == 200
            begun = time.monotonic()
            assert client.recv(1) == b""  # it has its time from here, and no more
            assert time.monotonic() - begun < 10
        for behind in (b"\0 garbage\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000):
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
                client.sendall(ask + behind)
                assert status_of_next(client) == 200
                with contextlib.suppress(ConnectionError):
                    assert client.recv(1) == b""
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
            client.sendall(ask + ask[:-5])
            assert status_of_next(client) == 200
            time.sleep(0.5)
            client.sendall(ask[-5:])
            assert status_of_next(client) == 200


def test_what_does_not_end_in_the_time_to_drain_is_told_so(guard: Guard) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold(_: str) -> None:
        begun.set()
        go_on.wait(20)

    with running(guard, engine=lambda own: Recorded(own, hold), drain_s=0.1, keys=()) as server:
        server.server.config.timeout_graceful_shutdown = 0.2  # type: ignore[assignment]
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        client.request("POST", "/v1/moderations", '{"input": "hello"}', {"Content-Type": "application/json"})
        assert begun.wait(20)
        server.server.handle_exit(signal.SIGTERM, None)
        answer = client.getresponse()
        assert answer.status == 503
        assert json.loads(answer.read())["error"]["code"] == "draining"
        go_on.set()
        assert '"event": "bug"' not in server.log.getvalue()


def test_a_body_whose_rest_cannot_be_read_is_told_so_at_once(server: Running) -> None:
    head = b"POST /v1/moderations HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer plain-key\r\n"
    head += b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    begun = time.monotonic()
    answer = talk(server, head + b'2\r\n{"\r\nno size\r\n', seconds=20)
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1") == 1
    assert time.monotonic() - begun < 10  # a body has 30 s
    still_serves(server)


def test_a_connection_whose_body_came_after_its_answer_is_not_kept_for_ever(guard: Guard) -> None:
    with running(guard, head_timeout_s=0.5, keep_alive_s=1) as server:
        body = b'{"input": "hello"}'
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
            client.sendall(post("/v1/moderations", b"", length=len(body)))
            assert status_of_next(client) == 401
            client.sendall(body)
            assert client.recv(1) == b""


def test_an_answer_is_sent_without_waiting_for_more_of_it() -> None:
    """asyncio turns Nagle's algorithm off where the listening socket names its protocol."""
    seen: list[int] = []

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            seen.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    async def connect() -> None:
        loop = asyncio.get_running_loop()
        for one in listening("localhost", 0):
            host, port = one.getsockname()[:2]
            server = await loop.create_server(Protocol, sock=one)
            _, writer = await asyncio.open_connection(host, port)
            while not seen:
                await asyncio.sleep(0.01)
            writer.close()
            server.close()

    on_a_loop(connect())
    assert seen
    assert all(seen)
