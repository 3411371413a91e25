"""What `latentguard serve` refuses before it listens, each with one message and exit code 2."""

import json
import shutil
import signal
import socket
import subprocess
import sys

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


def test_a_sidecar_loads_only_what_its_guards_read_and_says_how_much(
    latentguard, audited, tiny_folder, monkeypatch
):
    from latentguard.guard import blocks_read, read_manifest
    from latentguard.lm import PartialModel
    from latentguard.serve import State

    folder = audited.folder / "out" / "guard"
    made = []

    def run(state, load, announced):
        assert isinstance(state, State)
        made.append(load(state))

    monkeypatch.setattr("latentguard.serve.serve", run)
    call = latentguard("serve", tiny_folder, "--guard", folder, "--sidecar", "--port", "0")
    assert call.code == 0, call.err
    (engine,) = made
    blocks = blocks_read(read_manifest(folder))
    assert isinstance(engine.model, PartialModel)
    assert engine.model.n_blocks == blocks
    assert f"blocks 0 to {blocks - 1} of 4 are loaded" in " ".join(call.err.split())


def test_a_sidecar_of_an_older_guard_is_refused_before_a_model_is_loaded(latentguard, audited, tmp_path):
    folder = tmp_path / "older"
    shutil.copytree(audited.folder / "out" / "guard", folder)
    record = json.loads((folder / "guard.json").read_text())
    del record["model"]["beginnings"]
    (folder / "guard.json").write_text(json.dumps(record))
    call = latentguard("serve", "no/such-model", "--guard", folder, "--sidecar")
    assert call.code == 2
    assert "older version" in call.err
    assert ".save(folder)" in call.err


def test_an_address_that_is_taken_is_said_before_a_model_is_loaded(latentguard, audited):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        folder = audited.folder / "out" / "guard"
        call = latentguard("serve", "no/such-model", "--guard", folder, "--port", port)
    assert call.code == 2
    assert f"127.0.0.1:{port} cannot be listened at: Address already in use" in call.err
    assert "Traceback" not in call.err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("guard.json", b"{"),
        ("guard.json", b"[]"),
        ("guard.safetensors", b"damaged"),
        ("guard.safetensors", None),
    ],
)
def test_a_damaged_guard_is_refused(latentguard, audited, tmp_path, name, content):
    folder = tmp_path / "damaged"
    shutil.copytree(audited.folder / "out" / "guard", folder)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    call = latentguard("serve", "--guard", folder, "--port", "0")
    assert call.code == 2
    assert str(folder) in " ".join(call.err.split()).replace(" ", "") or name in call.err
    assert "Traceback" not in call.err


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_model_is_loaded_is_not_kept_waiting(audited, sent):
    """The load is not over for a minute."""
    command = """
import sys, time
from latentguard.cli import _guard_options, main
_guard_options.load_guard = lambda *arguments, **options: time.sleep(60)
sys.argv[0] = "latentguard"
main()
"""
    folder = audited.folder / "out" / "guard"
    arguments = [sys.executable, "-c", command, "serve", "--guard", str(folder), "--port", "0"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Listening at")
        process.send_signal(sent)
        try:
            assert process.wait(30) == 0
        finally:
            process.kill()
