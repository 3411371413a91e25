"""A threshold cut anew from the command line: in place or beside, with what to expect of it."""

import json
import shutil

import pytest


@pytest.fixture
def guard(audited, tmp_path):
    """A copy of a fitted guard's folder, which may be written to."""
    return shutil.copytree(audited.folder / "out" / "guard", tmp_path / "guard")


@pytest.fixture
def traffic(tmp_path):
    file = tmp_path / "traffic.txt"
    file.write_text("\n".join(f"Describe the tea from valley {n}" for n in range(40)))
    return file


def test_a_threshold_is_cut_and_the_guard_is_written_in_place(latentguard, guard, tiny_folder, traffic):
    options = ["--model", tiny_folder, "--data", traffic, "--target-fpr", "0.1"]
    call = latentguard("calibrate", "--guard", guard, *options, "--json")
    assert call.code == 0, call.err
    found = json.loads(call.out)
    assert (found["n"], found["target_fpr"]) == (40, 0.1)
    assert found["false_flags"]["low"] <= found["false_flags"]["value"] <= found["false_flags"]["high"]
    written = json.loads((guard / "guard.json").read_text())
    assert written["calibrations"]["guard"]["threshold"] == found["threshold"]
    assert written["cut_on"]["before"] == found["before"]


def test_prompts_that_are_labelled_harmful_are_left_out(latentguard, guard, tiny_folder, tmp_path):
    rows = [{"prompt": f"Describe the tea from valley {n}", "label": "harmless"} for n in range(20)]
    rows += [{"prompt": f"Smash the cup of valley {n}", "label": "harmful"} for n in range(20)]
    file = tmp_path / "labelled.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    options = ["--model", tiny_folder, "--data", file, "--target-fpr", "0.1", "--json"]
    call = latentguard("calibrate", "--guard", guard, *options)
    assert call.code == 0, call.err
    assert json.loads(call.out)["n"] == 20


def test_the_old_guard_stays_where_another_folder_is_named(
    latentguard, guard, tiny_folder, traffic, tmp_path
):
    before = (guard / "guard.json").read_text()
    options = ["--model", tiny_folder, "--data", traffic, "--target-fpr", "0.1"]
    call = latentguard("calibrate", "--guard", guard, *options, "--out", tmp_path / "new")
    assert call.code == 0, call.err
    assert "of more such prompts it flags" in call.out
    assert (guard / "guard.json").read_text() == before
    assert (tmp_path / "new" / "guard.safetensors").is_file()


@pytest.mark.parametrize(
    ("target", "says"), [("0", "between 0 and 1"), ("1", "between 0 and 1"), ("0.001", "1000 at least")]
)
def test_what_cannot_be_cut_changes_nothing(latentguard, guard, tiny_folder, traffic, target, says):
    before = (guard / "guard.json").read_text()
    options = ["--model", tiny_folder, "--data", traffic, "--target-fpr", target]
    call = latentguard("calibrate", "--guard", guard, *options)
    assert call.code == 2
    assert says in call.err
    assert (guard / "guard.json").read_text() == before


def test_a_place_that_cannot_be_written_is_named_before_anything_is_read(
    latentguard, guard, tiny_folder, traffic, tmp_path
):
    (tmp_path / "taken").write_text("a file")
    options = ["--model", tiny_folder, "--data", traffic, "--target-fpr", "0.1"]
    for place in ("taken", "taken/below"):
        call = latentguard("calibrate", "--guard", guard, *options, "--out", tmp_path / place)
        assert call.code == 2
        assert "OutputRefused" in call.err
    assert (tmp_path / "taken").read_text() == "a file"
