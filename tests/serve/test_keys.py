"""Who may ask what: keys, scopes, and the address that is listened at."""

import hashlib
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import openai
import pytest

from latentguard.errors import BadSettings
from latentguard.guard import Guard
from latentguard.serve import Key, settings_of
from tests.serve.conftest import Running, running


@pytest.fixture(scope="module")
def keyless(guard: Guard) -> Iterator[Running]:
    """A server without keys."""
    with running(guard, keys=()) as one:
        yield one


@pytest.mark.parametrize("key", ["other", "plain-ke", "plain-key2", "ключ"])
def test_an_unknown_key_opens_nothing(server: Running, key: str) -> None:
    request = urllib.request.Request(
        f"{server.address}/v1/models", headers={"Authorization": f"Bearer {key}".encode().decode("latin-1")}
    )
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request)
    assert raised.value.code == 401
    assert raised.value.headers["WWW-Authenticate"] == "Bearer"


def test_without_a_key_nothing_under_v1_is_told(server: Running) -> None:
    for path in ("models", "models/organism"):
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(f"{server.address}/v1/{path}")
        assert raised.value.code == 401
    with pytest.raises(openai.AuthenticationError, match="not known"):
        server.client("nobody").moderations.create(input="hello")


def test_a_key_may_be_written_as_its_hash() -> None:
    key = Key(name="x", sha256=hashlib.sha256(b"secret").hexdigest())
    assert key.opens(b"secret")
    assert not key.opens(b"secret2")
    assert "secret" not in repr(Key(name="x", key="secret"))  # type: ignore[arg-type]


def test_without_keys_only_this_machine_is_listened_to(guard: Guard) -> None:
    for host in ("0.0.0.0", "::", "example.org"):
        with pytest.raises(BadSettings, match="no loopback address"):
            settings_of(None, guard="g", host=host)
    with running(guard, keys=()) as one:
        found = one.client("anything").moderations.create(input="hello").results[0]
        assert not hasattr(found, "internals")  # behind a proxy, anybody may be this machine
    with running(guard, keys=(), anonymous_scopes=("internals",)) as one:
        assert one.client("anything").moderations.create(input="hello").results[0].internals  # type: ignore[attr-defined]


def test_no_prompt_and_no_key_is_in_the_log_unless_it_is_asked_for(guard: Guard) -> None:
    with running(guard) as one:
        one.client().moderations.create(input="a very private thing")
    log = one.log.getvalue()  # whole when the server has ended
    assert "request" in log
    assert "private" not in log
    assert "plain-key" not in log
    with running(guard, log_prompts=True) as one:
        one.client().moderations.create(input="a very private thing")
    log = one.log.getvalue()
    assert "private" in log
    assert '"caller": "plain"' in log


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("Host", "rebound.example", 403),
        ("Host", "rebound.example:8000", 403),
        ("Host", "[::1", 403),
        ("Host", "localhost:8000", 200),
        ("Host", "[::1]:8000", 200),
        ("Host", "LocalHost.:8000", 200),
        ("Host", "guard.localhost", 200),
        ("Host", "guard.localhost.example", 403),
        ("Origin", "https://page.example", 403),
        ("Origin", "null", 403),
        ("Origin", "http://localhost:3000", 200),
    ],
)
def test_without_keys_no_page_of_a_stranger_is_served(
    keyless: Running, header: str, value: str, status: int
) -> None:
    """What a browser on this machine sends for a page from elsewhere names it."""
    for path in ("/v1/models", "/metrics"):
        connection = http.client.HTTPConnection("127.0.0.1", keyless.port)
        connection.putrequest("GET", path, skip_host=header == "Host")
        connection.putheader(header, value)
        connection.endheaders()
        answer = connection.getresponse()
        said = answer.read()
        assert answer.status == status
        assert status == 200 or json.loads(said)["error"]["code"] == "not_local"


def test_where_there_are_keys_the_key_is_what_counts(server: Running) -> None:
    client = server.client(default_headers={"Origin": "https://page.example", "Host": "guard.example"})
    assert client.models.list().data
