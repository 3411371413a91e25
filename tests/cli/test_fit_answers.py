"""A guard taught to read answers from the command line: in place or beside, and whole or not at all."""

import json
import shutil

import pytest

from tests.guard.toy import toy_prompts


@pytest.fixture
def guard(audited, tmp_path):
    """A copy of a fitted guard's folder, which may be written to."""
    return shutil.copytree(audited.folder / "out" / "guard", tmp_path / "guard")


@pytest.fixture
def prompts(tmp_path):
    """Files of harmful and of harmless prompts, forty each."""
    files = {}
    for label in ("harmful", "harmless"):
        files[label] = tmp_path / f"{label}.txt"
        files[label].write_text(
            "\n".join(one.text for one in toy_prompts(range(40)) if one.label == label), encoding="utf-8"
        )
    return ["--harmful", files["harmful"], "--harmless", files["harmless"]]


def test_a_guard_learns_to_read_answers_and_says_what_to_expect(
    latentguard, guard, tiny_folder, prompts, tmp_path
):
    before = (guard / "guard.json").read_text()
    more = tmp_path / "more.txt"
    more.write_text("\n".join(f"Describe the tea from valley {n}" for n in range(20)))
    options = ["--model", tiny_folder, *prompts, "--ordinary", more, "--target-fpr", "0.1"]
    options += ["--max-new-tokens", "4", "--out", tmp_path / "new"]
    call = latentguard("fit-answers", "--guard", guard, *options, "--json")
    assert call.code == 0, call.err
    found = json.loads(call.out)
    written = json.loads((tmp_path / "new" / "guard.json").read_text())["answers"]
    assert found == written | {"out": str(tmp_path / "new")}
    harmless = written["validation"]["accepted_harmless"] + written["validation"]["refused_harmless"]
    assert written["false_cuts"]["n"] == harmless
    assert 20 < harmless <= 12 + 20  # of validation prompts and of the ordinary ones; no answer may be empty
    assert written["tokens"] == 4
    assert (guard / "guard.json").read_text() == before
    assert not (tmp_path / "new.unfinished").exists()


def test_a_harmful_prompt_is_not_ordinary(latentguard, guard, tiny_folder, prompts, tmp_path):
    more = tmp_path / "more.jsonl"
    more.write_text(json.dumps({"prompt": "Smash the cup", "label": "harmful"}))
    options = ["--model", tiny_folder, *prompts, "--ordinary", more, "--target-fpr", "0.1"]
    call = latentguard("fit-answers", "--guard", guard, *options)
    assert call.code == 2
    assert "more.jsonl" in call.err


@pytest.mark.parametrize(
    ("target", "says"), [("0", "between 0 and 1"), ("1", "between 0 and 1"), ("0.01", "takes 99 of them")]
)
def test_what_cannot_be_learned_changes_nothing(latentguard, guard, tiny_folder, prompts, target, says):
    before = (guard / "guard.json").read_text()
    options = ["--model", tiny_folder, *prompts, "--target-fpr", target]
    call = latentguard("fit-answers", "--guard", guard, *options)
    assert call.code == 2
    assert says in call.err
    assert (guard / "guard.json").read_text() == before
