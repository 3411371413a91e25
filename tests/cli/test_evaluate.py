"""A guard is measured on labelled prompts that it was not fitted on, and says how many it left out."""

import json

import pytest


@pytest.fixture
def evaluate(latentguard, audited, tiny_folder):
    def evaluate(*arguments):
        guard = audited.folder / "out" / "guard"
        return latentguard("evaluate", "--guard", guard, "--model", tiny_folder, *arguments)

    return evaluate


@pytest.fixture
def unseen(tmp_path):
    """Both classes in one CSV file, under column names of its own."""
    file = tmp_path / "unseen.csv"
    rows = [f"Describe the storm over lake {n},harmful,weather" for n in range(15)]
    rows += [f"Describe the tea from valley {n},harmless,drinks" for n in range(15)]
    file.write_text("\n".join(["question,truth,source", *rows]))
    return file


def test_every_value_has_an_interval_and_stands_beside_its_baselines(evaluate, unseen):
    call = evaluate("--data", unseen, "--prompt-column", "question", "--label-column", "truth", "--json")
    assert call.code == 0, call.err
    found = json.loads(call.out)
    assert (found["n_harmful"], found["n_harmless"], found["left_out_seen"]) == (15, 15, 0)
    assert (
        found["guard"]["auroc"]["low"] <= found["guard"]["auroc"]["value"] <= found["guard"]["auroc"]["high"]
    )
    names = {baseline["name"] for baseline in found["baselines"]}
    assert names == {"permuted_labels", "length", "final_punctuation", "refusal_belief", "tfidf", "untrained"}
    assert {row["name"] for row in found["rows"]} == {"weather", "drinks"}
    assert "refusal belief and verdict unavailable: fewer than" in call.err


def test_prompts_of_the_fit_are_left_out_and_counted(evaluate, audited, unseen):
    columns = ["--prompt-column", "question", "--label-column", "truth"]
    call = evaluate("--data", unseen, *columns)
    assert call.code == 0, call.err
    assert "15 harmful and 15 harmless prompts" in call.out
    assert "untrained" in call.out
    assert "\nrefusal belief unavailable: fewer than" in call.out, "below the table, not in one of its cells"
    call = evaluate("--data", audited.harmful, audited.harmless, "--json")
    found = json.loads(call.out)
    assert found["left_out_seen"] > 40
    assert found["left_out_seen"] + found["n_harmful"] + found["n_harmless"] == 80


def test_one_class_only_is_refused(evaluate, audited):
    call = evaluate("--data", audited.harmful)
    assert call.code == 2
    assert "TooFewPrompts" in call.err
    assert "harmful.jsonl: 40 harmful, 0 harmless" in call.err
    assert call.out == ""


def test_one_class_only_is_refused_before_the_guard_is_read(latentguard, audited):
    call = latentguard("evaluate", "--guard", "no-guard", "--data", audited.harmless)
    assert call.code == 2
    assert "harmless.jsonl: 0 harmful, 40 harmless" in call.err


def test_a_file_without_labels_is_named(evaluate, tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_text("How do I bake bread?\n")
    call = evaluate("--data", file)
    assert call.code == 2
    assert "prompts.txt" in call.err
    assert "--label-column" in call.err
