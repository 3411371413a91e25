"""Sockets that misbehave, and the end of the process: each is closed within its limit, the next is served."""

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
from tests.serve.conftest import Running, running


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


def post(path: str, body: bytes, *, length: int | None = None, kind: str = "application/json") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: "
    return head.encode() + str(len(body) if length is None else length).encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize("sent", [b"", b"POST /v1/mod", b"POST /v1/moderations HTTP/1.1\r\nHost: x\r\nX-A: "])
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
    chunked = b"POST /v1/moderations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
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
    head = b"POST /v1/moderations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    body = b'{"input": "hello"}'
    sent = head + b"Transfer-Encoding: chunked\r\n\r\n" + f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n"
    with socket.create_connection(("127.0.0.1", hasty.port)) as connection:
        connection.sendall(sent + b"X-Request-Id: from-behind\r\n" * 50 + b"\r\n")
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"from-behind" not in answer


def test_metrics_want_a_key_where_there_are_keys(server: Running, hasty: Running) -> None:
    assert talk(server, b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith(
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
        env=os.environ | {"OMP_NUM_THREADS": "1", "LATENTGUARD_SERVE_HEAD_TIMEOUT_S": "30"},
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
        idle.sendall(b"POST /v1/moderations HTTP/1.1\r\nHost: x\r\n")  # a head that never ends
        answers: list[int] = []

        def one() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            body = json.dumps({"input": ["hello there"] * 200})
            connection.request("POST", "/v1/moderations", body, {"Content-Type": "application/json"})
            answers.append(connection.getresponse().status)

        threads = [threading.Thread(target=one) for _ in range(3)]
        for each in threads:
            each.start()
        while b"latentguard_batch_prompts_count 0.0" in metrics(port):
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        for each in threads:
            each.join(60)
        assert process.wait(60) == 0
        assert len(answers) == 3
        assert set(answers) <= {200, 429}
        assert 200 in answers
        idle.close()
    finally:
        process.kill()
        process.wait()


def metrics(port: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/metrics")
    return connection.getresponse().read()
