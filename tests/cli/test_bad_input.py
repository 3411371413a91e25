"""Whatever is wrong with what a user gave is one clear message, exit code 2, and nothing left behind."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

GOOD = [{"prompt": f"How do I bake loaf {number}?"} for number in range(20)]
OTHERS = [{"prompt": f"How do I brew pot {number}?"} for number in range(20)]


def lines(*rows):
    return "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows).encode()


@dataclass(frozen=True)
class BadFile:
    """A file that cannot be used, and what must be said about it."""

    content: bytes
    says: tuple[str, ...]
    suffix: str = "jsonl"


BAD_FILES = {
    "missing column": BadFile(lines({"text": "How?"}), ("bad.jsonl, line 1", "'prompt'", "--prompt-column")),
    "empty file": BadFile(b"", ("bad.jsonl", "no prompts")),
    "bad JSON": BadFile(lines(*GOOD[:2], "{'prompt': 1}\n"), ("bad.jsonl, line 3", "JSON")),
    "empty prompt": BadFile(lines(GOOD[0], {"prompt": " "}), ("bad.jsonl, line 2", "empty")),
    "over-long prompt": BadFile(
        lines(*OTHERS, {"prompt": "word " * 400}), ("PromptTooLong", "bad.jsonl, line 21", "256")
    ),
    "endless number": BadFile(
        lines(GOOD[0], f'{{"prompt": {"9" * 5000}}}\n'), ("bad.jsonl, line 2", "digits")
    ),
    "a text of both classes": BadFile(
        lines(*OTHERS, {"prompt": " how do I bake\tLoaf 7"}),
        ("good.jsonl, line 8", "both classes", "bad.jsonl, line 21"),
    ),
    "too few rows": BadFile(lines(*OTHERS[:2]), ("TooFewPrompts", "bad.jsonl: 2 harmful", "good.jsonl")),
    "contrary label": BadFile(
        lines({"prompt": "How?", "label": "harmless"}), ("bad.jsonl, line 1", "harmless")
    ),
    "unknown label": BadFile(lines({"prompt": "How?", "label": "evil"}), ("bad.jsonl, line 1", "evil")),
    "wrong encoding": BadFile("How do I bake a crêpe?\n".encode("latin-1"), ("bad.txt", "UTF-8"), "txt"),
    "UTF-16": BadFile("prompt\nHow?\n".encode("utf-16"), ("bad.csv", "UTF-16"), "csv"),
    "ragged CSV": BadFile(b"prompt,id\nHow?,1\nWhy?\n", ("bad.csv, line 3", "cells"), "csv"),
    "no Parquet": BadFile(b"PAR1 no", ("bad.parquet",), "parquet"),
    "unknown extension": BadFile(b"How?\n", ("bad.docx", ".jsonl"), "docx"),
}


@pytest.fixture(scope="module")
def full_prompt(tiny_folder: Path) -> str:
    """A prompt without a final mark that fills the context to the last token."""
    import latentguard

    model = latentguard.load(tiny_folder)
    text = "x" * (256 - len(model.render("x").ids) + 1)
    assert len(model.render(text).ids) == 256
    return text


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "good.jsonl"
    file.write_bytes(lines(*GOOD))
    return file


def assert_refused(call, *says):
    assert call.code == 2, call
    assert call.out == ""
    assert "Traceback" not in call.err
    for fragment in says:
        assert fragment in call.err, call.err


def left_behind():
    return sorted(path.name for path in Path().iterdir())


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_file_that_cannot_be_used_is_named_with_its_line(kind, latentguard, tiny_folder, good, tmp_path):
    bad = BAD_FILES[kind]
    file = tmp_path / f"bad.{bad.suffix}"
    file.write_bytes(bad.content)
    call = latentguard("audit", tiny_folder, "--harmful", file, "--harmless", good, "--out", "new/out")
    assert_refused(call, *bad.says)
    assert left_behind() == []


@pytest.mark.parametrize("option", ["--harmful", "--harmless"])
@pytest.mark.parametrize("command", ["audit", "fit"])
def test_one_class_only_is_refused_before_any_model_is_loaded(command, option, latentguard, good):
    call = latentguard(command, "no-such-model", option, good)
    assert_refused(call, option, "one class only")
    assert left_behind() == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nobody/no-such-model", ("ModelNotFound", "nobody/no-such-model", "organism")),
        ("no-such-file.gguf", ("ModelNotFound", "no-such-file.gguf")),
        ("./no-such-folder", ("ModelNotFound", "no-such-folder")),
        ("[/red]\x1b[31m", ("ModelNotFound", "[/red]\\x1b[31m")),
        ("", ("ModelNotFound",)),
        ("x" * 300, ("ModelNotFound", "xxx", "organism")),
        ("~nobody-here/model", ("ModelNotFound", "~nobody-here/model", "organism")),
    ],
)
def test_an_unknown_model_is_named(name, says, latentguard):
    assert_refused(latentguard("audit", name), *says)
    assert left_behind() == []


def test_a_model_without_a_chat_template_is_refused(latentguard, tiny_folder, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(tiny_folder, bare)
    (bare / "chat_template.jinja").unlink()
    assert_refused(latentguard("audit", bare), "TemplateError", "chat template")
    assert left_behind() == []


def test_a_folder_with_pickled_weights_only_is_refused(latentguard, tiny_folder, tmp_path):
    pickled = tmp_path / "pickled"
    shutil.copytree(tiny_folder, pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    assert_refused(latentguard("doctor", pickled), "ModelNotFound", "safetensors")


def test_a_damaged_gguf_file_is_refused(latentguard, tmp_path):
    damaged = tmp_path / "model.gguf"
    damaged.write_bytes(b"GGUF no more than that")
    assert_refused(latentguard("doctor", damaged), "model.gguf")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], ("nonsense",)),
        (["audit", "--nonsense"], ("--nonsense", "latentguard audit --help")),
        (["audit", "--seed", "-1"], ("--seed",)),
        (["audit", "--dtype", "float8"], ("--dtype", "float8")),
        (["audit", "--device", "toaster"], ("device", "toaster")),
        (["fit", "--target-fpr", "1.5"], ("--target-fpr",)),
        (["fit", "--method", "magic"], ("--method", "magic")),
        (["fit", "--position", "t_first"], ("--position", "t_first")),
        (["organism", "train"], ("--out",)),
        (["score", "hello"], ("--guard",)),
        (["evaluate", "--guard", "g"], ("--data",)),
    ],
)
def test_a_wrong_option_is_named(arguments, says, latentguard):
    assert_refused(latentguard(*arguments), *says)
    assert left_behind() == []


@pytest.mark.parametrize("command", ["audit", "fit"])
@pytest.mark.parametrize("kind", ["a text of both classes", "too few rows"])
def test_classes_that_cannot_be_used_are_refused_before_any_model_is_loaded(
    command, kind, latentguard, good, tmp_path
):
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(BAD_FILES[kind].content)
    call = latentguard(command, "no-such-model", "--harmful", bad, "--harmless", good)
    assert_refused(call, *BAD_FILES[kind].says)
    assert left_behind() == []


@pytest.mark.parametrize("command", ["audit", "fit"])
def test_a_prompt_that_only_another_ending_makes_too_long_is_named_with_its_line(
    command, latentguard, good, tiny_folder, full_prompt, tmp_path
):
    file = tmp_path / "full.jsonl"
    file.write_bytes(lines(*OTHERS, {"prompt": full_prompt}))
    call = latentguard(command, tiny_folder, "--harmful", file, "--harmless", good)
    assert_refused(call, "PromptTooLong", "full.jsonl, line 21, with another final mark", "257 tokens")
    assert left_behind() == []


def test_endings_are_only_checked_where_they_are_fitted(tiny_folder, full_prompt):
    import latentguard
    from latentguard.cli import _data_options
    from latentguard.cli._output import speaking
    from latentguard.data import Prompt

    source = _data_options.Source("argument", [Prompt.of(full_prompt)])
    with speaking(as_json=False) as output:
        _data_options.check_rendering(latentguard.load(tiny_folder), [source], output, endings="as_written")


@pytest.mark.parametrize("option", ["--harmful", "--harmless"])
@pytest.mark.parametrize("name", ["", "x" * 300 + ".jsonl", "~nobody-here/x.jsonl"])
def test_what_no_file_can_be_called_is_refused(name, option, latentguard, good):
    files = {"--harmful": good, "--harmless": good} | {option: name}
    call = latentguard("audit", "no-such-model", *(part for pair in files.items() for part in pair))
    assert_refused(call, "BadData", name[:20])
    assert left_behind() == []


def test_a_missing_file_is_named(latentguard, tiny_folder, good):
    call = latentguard("audit", tiny_folder, "--harmful", "gone.jsonl", "--harmless", good)
    assert_refused(call, "gone.jsonl")


def test_an_output_folder_that_is_not_ours_is_refused_before_the_work(latentguard):
    Path("thesis").mkdir()
    Path("thesis", "chapter.tex").write_text("mine")
    call = latentguard("audit", "no-such-model", "--out", "thesis")
    assert_refused(call, "OutputRefused", "chapter.tex")
    assert Path("thesis", "chapter.tex").read_text() == "mine"
