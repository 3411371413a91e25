"""`latentguard score`: the verdict of a fitted guard on each prompt."""

import sys
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from latentguard._text import inert
from latentguard.cli import _data_options, _guard_options, _options
from latentguard.cli._data_options import Source
from latentguard.cli._output import Output, shown, speaking, table
from latentguard.errors import BadData

if TYPE_CHECKING:
    from latentguard.data import Prompt
    from latentguard.guard import Verdict

CHUNK = 512
"""Prompts that are scored before their verdicts are printed."""
SHOWN_CHARACTERS = 60
COLUMNS = ("prompt", "guard", "P(harmful)", "harmfulness", "refusal", "verdict")

Prompts = Annotated[
    list[str] | None,
    typer.Argument(metavar="PROMPT...", help="Prompts, or - for one a line on standard input."),
]
File = Annotated[
    str | None, typer.Option("--file", metavar="FILE", help=f"Prompts instead: {_data_options.FORMATS}.")
]


class ReadAt(StrEnum):
    """The position read as the end of the instruction."""

    t_inst = "t_inst"
    t_content = "t_content"


ReadAtOption = Annotated[
    ReadAt,
    typer.Option(
        help="Read the end of the last user turn, or (t_content) of the last message that is not the "
        "assistant's, such as a tool's result."
    ),
]


def score(
    guard: _guard_options.Guard,
    prompts: Prompts = None,
    file: File = None,
    prompt_column: _data_options.PromptColumn = None,
    read_at: ReadAtOption = ReadAt.t_inst,
    model: _guard_options.GuardsModel = None,
    transfer: _guard_options.Transfer = False,
    device: _options.Device = "auto",
    dtype: _options.DtypeOption = _options.Dtype.auto,
    as_json: _options.Json = False,
) -> None:
    """The verdict of each prompt; with --json, one line of JSON a prompt."""
    with speaking(as_json=as_json) as output:
        source = _source(prompts or [], file, prompt_column, output)
        fitted, loaded = _guard_options.load_guard(
            guard, output, model=model, transfer=transfer, device=device, dtype=dtype
        )
        _data_options.check_rendering(loaded, [source], output)
        for start in range(0, len(source.prompts), CHUNK):
            chunk = source.prompts[start : start + CHUNK]
            verdicts = fitted.score(chunk, read_at=read_at.value, progress=output.bars)
            _show(chunk, verdicts, output)


def _source(given: list[str], file: str | None, prompt_column: str | None, output: Output) -> Source:
    """What is to be scored: exactly one of arguments, standard input, and a file. No label is looked at."""
    if bool(given) == (file is not None):
        raise typer.BadParameter(
            "give prompts as arguments, or - for standard input, or --file FILE: one of them."
        )
    if file is not None:
        return _data_options.read_source(file, output, prompt_column=prompt_column, with_labels=False)
    output.bars(_data_options.READING, 0, 0)
    from latentguard.data import Prompt

    name, texts = ("standard input", _lines()) if given == ["-"] else ("argument", given)
    if not texts:
        raise BadData(f"{name} holds no prompts.\n  Give one prompt a line.")
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            raise BadData(f"{name}, prompt {number}: the prompt is empty.")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise BadData(f"{name}, prompt {number}: the prompt is not valid UTF-8.")
    prompts = [Prompt.of(text, id=str(number)) for number, text in enumerate(texts, start=1)]
    output.bars(_data_options.READING, 1, 1)
    return Source(name, prompts)


def _lines() -> list[str]:
    """The lines of standard input that are not blank."""
    try:
        text = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise BadData(f"standard input, line {line}: not valid UTF-8.\n  Convert it to UTF-8.") from None
    return [line.rstrip("\r") for line in text.split("\n") if line.strip()]


def _show(prompts: "list[Prompt]", verdicts: "list[Verdict]", output: Output) -> None:
    rows = table(*COLUMNS, numbers=COLUMNS[2:5])
    for prompt, verdict in zip(prompts, verdicts, strict=True):
        output.record({"id": prompt.id, "prompt": prompt.text} | asdict(verdict))
        rows.add_row(
            shown(prompt.text, limit=SHOWN_CHARACTERS),
            _flag(verdict),
            f"{verdict.probability:.2f}",
            f"{verdict.harmfulness:+.3f}",
            "unavailable" if verdict.refusal is None else f"{verdict.refusal:+.3f}",
            "unavailable" if verdict.cell is None else verdict.cell.replace("_", " "),
        )
    output.show(rows)


def _flag(verdict: "Verdict") -> str:
    """Whether it is flagged, and for which kind of harm where the guard tells kinds."""
    if not verdict.flagged or not verdict.category_scores:
        return "flagged" if verdict.flagged else ""
    return f"flagged: {inert(max(verdict.category_scores, key=verdict.category_scores.__getitem__))}"
