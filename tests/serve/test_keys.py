"""Who may ask what: keys, scopes, and the address that is listened at."""

import hashlib
import urllib.error
import urllib.request

import openai
import pytest

from latentguard.errors import BadSettings
from latentguard.guard import Guard
from latentguard.serve import Key, settings_of
from tests.serve.conftest import Running, running


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
