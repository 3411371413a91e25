"""What a machine has and what a model supports, in a block that gives away no path."""

import json
from pathlib import Path


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


def test_json_is_one_record(latentguard):
    found = json.loads(latentguard("doctor", "--json").out)
    assert found["machine"]["memory_gib"] >= found["machine"]["memory_available_gib"] > 0
    assert set(found) == {"versions", "machine"}


def test_a_model_is_reported_with_what_was_proved_of_it(latentguard, tiny_folder):
    found = json.loads(latentguard("doctor", tiny_folder, "--json").out)["model"]
    assert found["slots"] == found["identity"]["blocks"] + 1
    assert found["supports"]["slots"] == "yes"
    assert {check["check"] for check in found["proof"]} >= {"slots", "readout", "batch"}
    assert all(check["error"] <= check["tolerance"] for check in found["proof"])


def test_no_path_and_no_user_is_given_away(latentguard, tiny_folder):
    call = latentguard("doctor", tiny_folder)
    printed = call.out + call.err
    assert str(tiny_folder.parent) not in printed
    assert str(Path.home()) not in printed
