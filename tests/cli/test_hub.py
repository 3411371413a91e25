"""Without a network the hub is asked once, and what cannot be found there is one short message."""

import os
import socket
import subprocess
import sys
import threading

import pytest

from latentguard.cli import _hub
from latentguard.cli._output import speaking

RUN = "from latentguard.cli import main; main()"


@pytest.fixture
def closing_hub():
    """A hub that hangs up on whoever calls: its address, and a list with one entry a call."""
    server = socket.create_server(("127.0.0.1", 0))
    calls = []

    def hang_up():
        while True:
            try:
                caller, _ = server.accept()
            except OSError:
                return
            calls.append(1)
            caller.close()

    thread = threading.Thread(target=hang_up, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}", calls
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["audit", "nobody/no-such-model"], "ModelNotFound: nobody/no-such-model"),
        (["fit", "--harmful", "nobody/ds", "--harmless", "nobody/ds"], "BadData: no file nobody/ds"),
    ],
)
def test_an_unknown_name_without_a_network_is_asked_for_once_and_said_in_four_lines(
    arguments, says, closing_hub, tmp_path
):
    endpoint, calls = closing_hub
    environment = {name: value for name, value in os.environ.items() if "PROXY" not in name.upper()}
    environment.pop("HF_HUB_OFFLINE")
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "cache")}
    ended = subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        timeout=240,
    )
    assert ended.returncode == 2, ended.stderr
    assert ended.stdout == ""
    first, second, *rest = ended.stderr.splitlines()
    assert first == f"{endpoint} cannot be reached: only what is on this machine is read."
    assert second.startswith(says)
    assert len(rest) == 2, ended.stderr
    assert len(calls) == 1


def test_an_offline_machine_asks_nobody(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(_hub, "_hub_answers", lambda: pytest.fail("the hub was asked"))
    with speaking(as_json=False) as output:
        _hub.ask_hub_once(output)


def test_a_hub_that_answers_is_left_to_the_libraries(monkeypatch, capsys):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(_hub, "_hub_answers", lambda: True)
    with speaking(as_json=False) as output:
        _hub.ask_hub_once(output)
    assert not constants.HF_HUB_OFFLINE
    assert capsys.readouterr().err == ""
