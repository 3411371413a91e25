"""Files of prompts on the command line: which options name them, and what they hold when read."""

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from latentguard._text import inert
from latentguard.cli._hub import ask_hub_once
from latentguard.errors import BadData, PositionNotProved, PromptTooLong, TemplateError, TooFewPrompts

if TYPE_CHECKING:
    from latentguard.cli._output import Output
    from latentguard.data import Endings, Prompt
    from latentguard.lm import LanguageModel
    from latentguard.report import AuditData

READING, PREPARING = "reading the prompts", "preparing the prompts"
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
    output: "Output",
    *,
    label: Literal["harmful", "harmless"] | None = None,
    prompt_column: str | None = None,
    label_column: str | None = None,
    with_labels: bool = True,
) -> Source:
    """The prompts of one file or dataset. Raises `BadData`, with file and line, where it cannot be used."""
    output.bars(READING, 0, 0)
    from latentguard.data import read_prompts
    from latentguard.data.hub import is_dataset_id

    if is_dataset_id(name) and not os.path.exists(os.path.expanduser(name)):
        ask_hub_once(output)
    prompts = read_prompts(
        name,
        label=label,
        prompt_column=prompt_column,
        label_column=label_column,
        with_labels=with_labels,
    )
    output.bars(READING, 1, 1)
    return Source(name, prompts, prompt_column, label_column)


def labelled(source: Source) -> Source:
    """The same, unless not one of its prompts says what it is."""
    if any(prompt.label is not None for prompt in source.prompts):
        return source
    raise BadData(
        f"{inert(source.name)}: no row has a label.\n"
        "  Add a column 'label' with harmful or harmless, or name the one that holds it with --label-column."
    )


def read_classes(
    harmful: Sequence[str] | None,
    harmless: Sequence[str] | None,
    output: "Output",
    *,
    prompt_column: str | None,
    label_column: str | None,
) -> list[Source] | None:
    """The prompts of both classes; None where no file was named, and the model's default data are meant.

    Raises `BadData` where a file cannot be used or a text stands in both classes, and a usage error where
    only one class was given.
    """
    if not harmful and not harmless:
        return None
    if not harmful or not harmless:
        given, missing = ("--harmful", "--harmless") if harmful else ("--harmless", "--harmful")
        raise typer.BadParameter(f"{given} alone is one class only. Give {missing} too, or neither.")
    read = partial(read_source, output=output, prompt_column=prompt_column, label_column=label_column)
    of_harmful = [read(name, label="harmful") for name in harmful]
    of_harmless = [read(name, label="harmless") for name in harmless]
    _check_apart(of_harmful, of_harmless)
    return of_harmful + of_harmless


def _check_apart(harmful: Sequence[Source], harmless: Sequence[Source]) -> None:
    """Raises `BadData` for the first harmless prompt whose text is a harmful one's too."""
    from latentguard.data.splits import folded

    places: dict[str, tuple[Source, int]] = {}
    for source in harmful:
        for index, prompt in enumerate(source.prompts):
            places.setdefault(folded(prompt), (source, index))
    for source in harmless:
        for index, prompt in enumerate(source.prompts):
            if (other := places.get(folded(prompt))) is not None:
                raise BadData(
                    f"{source.place(index)}: this text stands in both classes.\n"
                    f"  harmless: {inert(prompt.text, limit=120)!r}\n"
                    f"  harmful : {inert(other[0].prompts[other[1]].text, limit=120)!r} "
                    f"({other[0].place(other[1])})\n"
                    "  Take it out of one of them. Case, white space and final marks make no other text."
                )


def prompts_of(sources: Sequence[Source]) -> "list[Prompt]":
    """All prompts, source after source."""
    return [prompt for source in sources for prompt in source.prompts]


def by_class(prompts: "Sequence[Prompt]") -> "tuple[list[Prompt], list[Prompt]]":
    """The harmful and the harmless of some labelled prompts."""
    harmful = [prompt for prompt in prompts if prompt.label == "harmful"]
    return harmful, [prompt for prompt in prompts if prompt.label == "harmless"]


@contextmanager
def naming(sources: Sequence[Source]) -> Generator[None, None, None]:
    """Inside this block `TooFewPrompts` also says which files hold how many."""
    try:
        yield
    except TooFewPrompts as error:
        counts = [
            f"  {inert(source.name)}: {len(harmful)} harmful, {len(harmless)} harmless"
            for source in sources
            for harmful, harmless in [by_class(source.prompts)]
        ]
        raise TooFewPrompts("\n".join([*str(error).splitlines(), *counts])) from error


def audit_data(sources: Sequence[Source], output: "Output", *, seed: int) -> "AuditData":
    """The user's prompts, split 60 : 20 : 20. Raises `TooFewPrompts` where a part cannot be used."""
    output.bars(PREPARING, 0, 0)
    from latentguard.guard.fitting_data import FittingData
    from latentguard.report import AuditData

    with naming(sources):
        harmful, harmless = by_class(prompts_of(sources))
        data = AuditData.of_lists(
            harmful,
            harmless,
            name=", ".join(inert(Path(source.name).name) for source in sources),
            seed=seed,
        )
        FittingData(tuple(data.split.train), tuple(data.split.validation))
    output.bars(PREPARING, 1, 1)
    return data


def check_rendering(
    model: "LanguageModel",
    sources: Sequence[Source],
    output: "Output",
    *,
    endings: "Endings" = "as_written",
) -> None:
    """Render every prompt before any is read, so that one that cannot be is named with its file and line.

    `endings`: how fitting will end them; they are rendered so, too. Raises the error of rendering
    (`PromptTooLong`, `TemplateError`, `PositionNotProved`), with its place.
    """
    from latentguard.data import with_endings

    total = sum(len(source.prompts) for source in sources)
    done = 0
    for source in sources:
        for index, prompt in enumerate(source.prompts):
            for one in dict.fromkeys([prompt, *with_endings([prompt], endings)]):
                try:
                    model.render(one.messages)
                except (PromptTooLong, TemplateError, PositionNotProved) as error:
                    ended = "" if one == prompt else ", with another final mark, as it is fitted too"
                    raise type(error)(f"{source.place(index)}{ended}: {error}") from error
            done += 1
            output.bars("checking the prompts", done, total)
