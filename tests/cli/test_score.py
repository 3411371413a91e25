"""Verdicts of a fitted guard, from arguments, files and standard input, for people and for programs."""

import io
import json
import sys
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


def test_a_model_that_moved_is_asked_for(latentguard, audited):
    call = latentguard("score", "--guard", audited.folder / "out" / "guard", "hello")
    assert call.code == 2
    assert "--model" in call.err


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
