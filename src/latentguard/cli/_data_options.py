"""Files of prompts on the command line: which options name them, and what they hold when read."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from latentguard._text import inert
from latentguard.errors import PositionNotProved, PromptTooLong, TemplateError

if TYPE_CHECKING:
    from latentguard.cli._output import Output
    from latentguard.data import Prompt
    from latentguard.lm import LanguageModel
    from latentguard.report import AuditData

FORMATS = "JSONL, CSV, TSV, Parquet or TXT files, or Hugging Face dataset ids"

Harmful = Annotated[
    list[str] | None, typer.Option("--harmful", metavar="FILE...", help=f"Harmful prompts: {FORMATS}.")
]
Harmless = Annotated[
    list[str] | None, typer.Option("--harmless", metavar="FILE...", help=f"Harmless prompts: {FORMATS}.")
]
PromptColumn = Annotated[
    str | None, typer.Option(help="Column that holds the prompt, where it is not 'prompt' or 'messages'.")
]
LabelColumn = Annotated[
    str | None, typer.Option(help="Column that holds 'harmful' or 'harmless', where it is not 'label'.")
]


@dataclass(frozen=True)
class Source:
    """Prompts that were read from one place, in its order."""

    name: str
    prompts: "list[Prompt]"
    prompt_column: str | None = None
    label_column: str | None = None

    def place(self, index: int) -> str:
        """Where the prompt at `index` stands, as file and line. Reads the file again: for messages only."""
        from latentguard.data.files import rows_of_file
        from latentguard.data.rows import Columns

        path = Path(self.name).expanduser()
        if not path.is_file():
            return f"{inert(self.name)}, prompt {index + 1}"
        rows = rows_of_file(path, Columns(prompt=self.prompt_column, label=self.label_column))
        return str(next(islice(rows, index, None))[0])


def read_source(
    name: str,
    *,
    label: Literal["harmful", "harmless"] | None = None,
    prompt_column: str | None = None,
    label_column: str | None = None,
) -> Source:
    """The prompts of one file or dataset. Raises `BadData`, with file and line, where it cannot be used."""
    from latentguard.data import read_prompts

    prompts = read_prompts(name, label=label, prompt_column=prompt_column, label_column=label_column)
    return Source(name, prompts, prompt_column, label_column)


def read_classes(
    harmful: Sequence[str] | None,
    harmless: Sequence[str] | None,
    *,
    prompt_column: str | None,
    label_column: str | None,
) -> list[Source] | None:
    """The prompts of both classes; None where no file was named, and the model's default data are meant.

    Raises `BadData` where a file cannot be used, and a usage error where only one class was given.
    """
    if not harmful and not harmless:
        return None
    if not harmful or not harmless:
        given, missing = ("--harmful", "--harmless") if harmful else ("--harmless", "--harmful")
        raise typer.BadParameter(f"{given} alone is one class only. Give {missing} too, or neither.")
    columns = {"prompt_column": prompt_column, "label_column": label_column}
    return [
        *(read_source(name, label="harmful", **columns) for name in harmful),
        *(read_source(name, label="harmless", **columns) for name in harmless),
    ]


def prompts_of(sources: Sequence[Source]) -> "list[Prompt]":
    """All prompts, source after source."""
    return [prompt for source in sources for prompt in source.prompts]


def by_class(prompts: "Sequence[Prompt]") -> "tuple[list[Prompt], list[Prompt]]":
    """The harmful and the harmless of some labelled prompts."""
    harmful = [prompt for prompt in prompts if prompt.label == "harmful"]
    return harmful, [prompt for prompt in prompts if prompt.label == "harmless"]


def audit_data(
    model: "LanguageModel", sources: Sequence[Source] | None, output: "Output", *, seed: int
) -> "AuditData":
    """The user's prompts, checked and split 60 : 20 : 20, or the model's default data."""
    from latentguard.report import AuditData, default_data

    if sources is None:
        return default_data(model, seed=seed)
    check_rendering(model, sources, output)
    harmful, harmless = by_class(prompts_of(sources))
    return AuditData.of_lists(
        harmful,
        harmless,
        name=", ".join(inert(Path(source.name).name) for source in sources),
        seed=seed,
    )


def check_rendering(model: "LanguageModel", sources: Sequence[Source], output: "Output") -> None:
    """Render every prompt before any is read, so that one that cannot be is named with its file and line.

    Raises the error of rendering (`PromptTooLong`, `TemplateError`, `PositionNotProved`), with its place.
    """
    total = sum(len(source.prompts) for source in sources)
    done = 0
    for source in sources:
        for index, prompt in enumerate(source.prompts):
            try:
                model.render(prompt.messages)
            except (PromptTooLong, TemplateError, PositionNotProved) as error:
                raise type(error)(f"{source.place(index)}: {error}") from error
            done += 1
            output.bars("checking the prompts", done, total)
