"""Verdicts of a fitted guard, from arguments, files and standard input, for people and for programs."""

import io
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cli.prompts import HOSTILE

PROMPTS = ("Tell me about storm number 3 in the attic", "Tell me about tea number 4 in the cellar")


@pytest.fixture
def score(latentguard, audited, tiny_folder):
    def score(*arguments):
        return latentguard(
            "score", "--guard", audited.folder / "out" / "guard", "--model", tiny_folder, *arguments
        )

    return score


def records(call):
    assert call.code == 0, call.err
    return [json.loads(line) for line in call.out.splitlines()]


def test_each_prompt_gets_one_line_of_json_in_order(score):
    found = records(score("--json", *PROMPTS))
    assert [row["prompt"] for row in found] == list(PROMPTS)
    for row in found:
        assert 0 <= row["probability"] <= 1
        assert isinstance(row["flagged"], bool)
        assert row["transfer"] == []


def test_arguments_file_and_standard_input_give_the_same_verdicts(score, tmp_path, monkeypatch):
    file = tmp_path / "prompts.txt"
    file.write_text("".join(f"{prompt}\n" for prompt in PROMPTS))
    monkeypatch.setattr(
        sys, "stdin", SimpleNamespace(buffer=io.BytesIO(file.read_bytes().replace(b"\n", b"\r\n")))
    )
    values = [
        [(row["prompt"], row["score"]) for row in records(call)]
        for call in (score("--json", *PROMPTS), score("--json", "--file", file), score("--json", "-"))
    ]
    assert values[0] == values[1] == values[2]


def test_a_transcript_is_read_at_the_users_words_or_at_the_tools(score, tmp_path):
    """Without a tool's result the two are one token; the verdict says which was meant."""
    for read_at in ("t_inst", "t_content"):
        (row,) = records(score("--json", "--read-at", read_at, PROMPTS[0]))
        assert row["read_at"] == read_at
    call = score("--read-at", "the-end", PROMPTS[0])
    assert call.code == 2
    assert "t_content" in call.err


def test_hostile_prompts_are_inert_in_the_table_and_in_json(score):
    for arguments in (["--json"], []):
        call = score(*arguments, *HOSTILE)
        assert call.code == 0, call.err
        assert not set(call.out + call.err) & set("\x1b\x07\x9b\u202e")
    assert "[/red]" in call.out
    assert "<img src=x" in call.out


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "--file"),
        (["a prompt", "--file", "x.jsonl"], "one of them"),
        (["--file", ""], "an empty name"),
        (["   "], "argument, prompt 1"),
        (["good", "word " * 400], "argument, prompt 2"),
        (["\udcff"], "UTF-8"),
    ],
)
def test_prompts_that_cannot_be_scored_are_named(score, given, says):
    call = score(*given)
    assert call.code == 2
    assert says in call.err
    assert call.out == ""


def test_a_line_of_standard_input_that_is_no_text_is_named(score, monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"one\ntw\xff\n")))
    call = score("-")
    assert call.code == 2
    assert "standard input, line 2" in call.err


@pytest.fixture
def guard_of(audited, tmp_path):
    """The folder of the audited guard, as if its model had had another name."""

    def guard_of(name):
        folder = tmp_path / "guard"
        shutil.copytree(audited.folder / "out" / "guard", folder)
        record = json.loads((folder / "guard.json").read_text())
        record["model"]["name"] = name
        (folder / "guard.json").write_text(json.dumps(record))
        return folder

    return guard_of


@pytest.mark.parametrize("name", ["tiny", "chat-7b-q4_k_m.gguf"])
def test_a_local_model_that_moved_is_asked_for_and_never_looked_for_elsewhere(
    name, latentguard, guard_of, monkeypatch
):
    monkeypatch.setattr("latentguard.load", lambda *_, **__: pytest.fail("a model was looked for"))
    call = latentguard("score", "--guard", guard_of(name), "hello")
    assert call.code == 2
    assert name in call.err
    assert "--model" in call.err


def test_a_local_model_is_found_where_the_command_runs(latentguard, audited, tiny_folder):
    Path("tiny").symlink_to(tiny_folder)
    assert (
        len(records(latentguard("score", "--guard", audited.folder / "out" / "guard", "hello", "--json")))
        == 1
    )


def test_a_model_of_the_hub_is_loaded_by_its_id(latentguard, guard_of, tiny_folder, monkeypatch):
    import latentguard as package

    asked, load = [], package.load
    monkeypatch.setattr(
        package, "load", lambda name, **rest: (asked.append(name), load(tiny_folder, **rest))[1]
    )
    guard = guard_of("acme/chat-7b")
    records(latentguard("score", "--guard", guard, "hello", "--json"))
    assert asked == ["acme/chat-7b"]


def test_another_model_under_the_recorded_name_says_how_to_name_the_right_one(latentguard, guard_of):
    call = latentguard("score", "--guard", guard_of("organism"), "hello")
    assert call.code == 2
    assert "ArtefactMismatch" in call.err
    assert "--model" in call.err


def test_what_a_reader_must_know_of_a_guard_is_said_beside_its_verdicts(
    score, tmp_path, latentguard, audited
):
    call = score("--dtype", "bfloat16", "--json", *PROMPTS)
    assert len(records(call)) == len(PROMPTS)
    assert "refusal belief and verdict unavailable: fewer than" in call.err
    assert "fitted in float32, read here in bfloat16" in call.err


def test_a_column_of_labels_is_not_looked_at(score, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text(f"prompt,label\n{PROMPTS[0]},7 of 9\n")
    assert [row["prompt"] for row in records(score("--file", file, "--json"))] == [PROMPTS[0]]


def test_a_folder_that_holds_no_guard_is_named(latentguard, tmp_path):
    call = latentguard("score", "--guard", tmp_path, "hello")
    assert call.code == 2
    assert "ArtefactMismatch" in call.err


def test_another_model_is_refused_unless_transfer_is_asked_for_and_then_recorded(
    latentguard, audited, tmp_path
):
    from tests.lm.tiny import tiny

    other = tiny("Qwen3", seed=5, max_position_embeddings=256)
    other.module.save_pretrained(tmp_path / "tiny")
    other.tokenizer.save_pretrained(tmp_path / "tiny")
    arguments = [
        "score",
        "--guard",
        audited.folder / "out" / "guard",
        "--model",
        tmp_path / "tiny",
        "--json",
        "hello",
    ]
    refused = latentguard(*arguments)
    assert refused.code == 2
    assert "weights differ" in refused.err
    assert "--transfer" in refused.err
    (verdict,) = records(latentguard(*arguments, "--transfer"))
    assert verdict["transfer"] == ["weights"]
    assert "fitted on tiny; weights differ here" in latentguard(*arguments, "--transfer").err
