"""What `latentguard serve` refuses before it listens, each with one message and exit code 2."""

import json

import pytest


def test_every_setting_is_shown_with_what_holds(latentguard, audited, tmp_path):
    file = tmp_path / "serve.toml"
    file.write_text('guard = "from-the-file"\nport = 1\n')
    call = latentguard("serve", "--config", file, "--port", "2", "--show-settings", "--json")
    assert call.code == 0, call.err
    shown = {row["setting"]: row["value"] for row in map(json.loads, call.out.splitlines())}
    assert (shown["guard"], shown["port"], shown["policy"]) == ("from-the-file", "2", "block")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "guard: Field required"),
        (("--guard", "nowhere"), "missing or damaged"),
        (("--guard", "x", "--host", "0.0.0.0"), "no loopback address"),
        (("--guard", "x", "--config", "nowhere.toml"), "is no file"),
        (("--guard", "x", "--port", "70000"), "port"),
    ],
)
def test_what_cannot_be_served_is_said_at_once(latentguard, arguments, says):
    call = latentguard("serve", *arguments)
    assert call.code == 2
    assert says in call.err


def test_a_guard_of_another_model_is_refused(latentguard, audited):
    call = latentguard("serve", "organism", "--guard", audited.folder / "out" / "guard", "--port", "0")
    assert call.code == 2
    assert call.err.count("ArtefactMismatch") == 1
    assert "Traceback" not in call.err
