"""Where a command speaks: its result on standard output, everything else on standard error.

With `--json` standard output holds JSON (or JSON lines) and nothing else, whatever a library prints. All
text that came from a prompt is shown inert: no terminal escape, no markup, no second line.
"""

import json
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from latentguard._text import inert
from latentguard.cli._bars import Bars
from latentguard.cli._memory import GiveBack

WIDTH_OF_A_FILE = 120
"""Columns of a table that goes to a file or a pipe."""


class Output:
    """The voice of one command."""

    def __init__(self, *, as_json: bool, results: Console, notes: Console) -> None:
        self.as_json = as_json
        self._results = results
        self._notes = notes
        self.bars = Bars(self._notes, each_step=GiveBack())

    def show(self, renderable: RenderableType) -> None:
        """A result for people; nothing where the result is JSON. A string is never read as markup."""
        if not self.as_json:
            self.bars.hide()
            self._results.print(Text(renderable) if isinstance(renderable, str) else renderable)

    def record(self, record: Any) -> None:
        """A result for programs: one line of JSON, nothing where the result is for people."""
        if self.as_json:
            self.bars.hide()
            print(as_json_line(record), file=self._results.file, flush=True)

    @contextmanager
    def unheard(self) -> Generator[None]:
        """A result that may reach nobody, where standard output is full or its reader has gone: the command
        goes on, and says nothing there any more."""
        try:
            yield
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            with suppress(OSError, ValueError):  # no descriptor is behind it
                os.dup2(nowhere, self._results.file.fileno())
            os.close(nowhere)

    def note(self, message: str) -> None:
        """Something to know, on standard error."""
        self._notes.print(Text(inert(message)), soft_wrap=True)


@contextmanager
def speaking(*, as_json: bool) -> Generator[Output, None, None]:
    """An `Output` for the length of a command; what anybody else prints meanwhile goes to standard error."""
    output = Output(as_json=as_json, results=_on_stdout(), notes=_on_stderr())
    with redirect_stdout(sys.stderr), output.bars:
        yield output


def as_json_line(record: Any) -> str:
    """Strict JSON of plain values, in ASCII: no control byte survives. Raises ValueError for NaN."""
    return json.dumps(record, ensure_ascii=True, allow_nan=False)


def shown(text: str, *, limit: int | None = None) -> Text:
    """Text that came from a prompt or a file, safe in a terminal and in a table cell."""
    return Text(inert(text, limit=limit))


def table(*columns: str, title: str | None = None, numbers: tuple[str, ...] = ()) -> Table:
    """An empty table; the columns named in `numbers` are aligned to the right."""
    made = Table(title=Text(title) if title else None, title_justify="left", header_style="bold")
    for column in columns:
        made.add_column(Text(column), justify="right" if column in numbers else "left")
    return made


class _Results(Console):
    """A console whose reader may go away."""

    def on_broken_pipe(self) -> None:
        """Called while that is handled. rich would end the program here, and close what `sys.stdout` is by
        now: standard error."""
        raise


def _on_stdout() -> Console:
    return _Results(
        file=sys.stdout, width=_width(sys.stdout.isatty()), markup=False, emoji=False, highlight=False
    )


def _on_stderr() -> Console:
    return Console(  # whatever standard error is by then: a server puts a stream in front that never blocks
        stderr=True, width=_width(sys.stderr.isatty()), markup=False, emoji=False, highlight=False
    )


def _width(terminal: bool) -> int | None:
    return None if terminal else WIDTH_OF_A_FILE
