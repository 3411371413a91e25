"""What a machine has and what a model supports, in a block that gives away no path."""

import io
import json
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from latentguard.cli import _output
from latentguard.cli._bars import Bars


def test_the_block_names_versions_and_the_machine(latentguard):
    call = latentguard("doctor")
    assert call.code == 0
    block = call.out.split("```")[1]
    for name in (
        "versions.python",
        "versions.torch",
        "versions.gguf",
        "machine.cores",
        "machine.cpu_bfloat16",
    ):
        assert f"{name}: " in block


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_a_terminal_is_told_that_the_machine_is_looked_at(arguments, latentguard, monkeypatch):
    """With a terminal, and patience that is over at once: in life the bar appears after two seconds."""
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100)
    monkeypatch.setattr(_output, "_on_stderr", lambda: terminal)
    monkeypatch.setattr(_output, "Bars", partial(Bars, patience=0.0))
    call = latentguard("doctor", *arguments)
    assert call.code == 0
    assert "looking at this machine" in terminal.file.getvalue()
    assert "looking at this machine" not in call.out
    if arguments:
        assert set(json.loads(call.out)) == {"versions", "machine"}


def test_json_is_one_record(latentguard):
    found = json.loads(latentguard("doctor", "--json").out)
    assert found["machine"]["memory_gib"] >= found["machine"]["memory_available_gib"] > 0
    assert set(found) == {"versions", "machine"}


def test_a_model_is_reported_with_what_was_proved_of_it(latentguard, tiny_folder):
    found = json.loads(latentguard("doctor", tiny_folder, "--json").out)["model"]
    assert found["slots"] == found["identity"]["blocks"] + 1
    assert found["proof"]["supports"]["slots"]
    assert {check["name"] for check in found["proof"]["checks"]} >= {"slots", "readout", "batch"}
    assert all(check["passed"] for check in found["proof"]["checks"])


def test_the_block_says_what_the_model_supports(latentguard, tiny_folder):
    block = latentguard("doctor", tiny_folder).out.split("```")[1]
    assert "model.proof.supports.heads: True" in block
    assert "largest error" not in block


def test_no_path_and_no_user_is_given_away(latentguard, tiny_folder):
    call = latentguard("doctor", tiny_folder)
    printed = call.out + call.err
    assert str(tiny_folder.parent) not in printed
    assert str(Path.home()) not in printed
