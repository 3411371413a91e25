"""Options that take several files at once, as a shell's `*.jsonl` gives them: `--data a.jsonl b.jsonl`.

After such an option's first value, further values belong to it for as long as they name files of prompts
by their suffix, so a MODEL that follows is never mistaken for one.
"""

from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand

FILE_OPTIONS = ("--harmful", "--harmless", "--data", "--ordinary", "--base", "--attacked")
PROMPT_SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet", ".txt")


def one_option_each(arguments: Sequence[str]) -> list[str]:
    """The same arguments with each further file given its option again, as the parser wants it."""
    given: list[str] = []
    option: str | None = None
    values = 0
    for position, argument in enumerate(arguments):
        if argument == "--":
            return given + list(arguments[position:])
        name, equals, _ = argument.partition("=")
        if argument.startswith("-") and argument != "-":
            option, values = (name, 1 if equals else 0) if name in FILE_OPTIONS else (None, 0)
        elif option is not None:
            if values > 0 and argument.lower().endswith(PROMPT_SUFFIXES):
                given.append(option)
            elif values > 0:
                option = None
            values += 1
        given.append(argument)
    return given


class ManyFiles(TyperCommand):
    """A command some of whose options take several files."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, one_option_each(args))
