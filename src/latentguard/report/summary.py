"""The audit in the terminal: the answers of the page's first screen, and one table.

Everything is `rich.text.Text`, never markup, and everything that came from data is made inert first.
"""

from typing import Final

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from latentguard._text import inert
from latentguard.guard import Estimate
from latentguard.report.schema import CELLS, Audit, GuardRow
from latentguard.report.words import CELL_NAMES, interval, number, percent, percent_interval

_TONES: Final = {"yes": "green", "no": "red", "unclear": "yellow", "plain": "default"}
_NAME_CHARACTERS: Final = 60


def summary(audit: Audit) -> Group:
    """What `latentguard audit` prints when it is done."""
    model = audit.provenance.model
    heading = Text(inert(audit.title, limit=_NAME_CHARACTERS), style="bold")
    heading.append(
        f"  {model.architecture}, {model.blocks} blocks, {model.dtype} on {model.device}", style="dim"
    )
    if model.quantisation:
        heading.append(f", {inert(model.quantisation)}", style="dim")
    parts = [heading, *(_finding(audit, index) for index in range(len(audit.findings)))]
    tables = [Padding(_behaviour(audit), (1, 0, 0, 0)), Padding(_guard(audit), (1, 0, 0, 0))]
    limits = Text("Limits: ", style="bold")
    limits.append(inert(audit.limits_line), style="not bold")
    return Group(*parts, *tables, Padding(limits, (1, 0, 0, 0)))


def _finding(audit: Audit, index: int) -> Padding:
    finding = audit.findings[index]
    shown = Text(inert(finding.question), style="dim")
    shown.append("\n")
    shown.append(inert(finding.answer), style=f"not dim bold {_TONES[finding.tone]}")
    shown.append("\n")
    shown.append(inert(finding.evidence), style="not dim")
    return Padding(shown, (1, 0, 0, 0))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=Text(title), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(Text(column), justify="left" if index == 0 else "right", header_style="dim")
    return table


def _behaviour(audit: Audit) -> Table:
    table = _table("What the model did", "verdict class", "prompts", "share", "95 %")
    for cell in CELLS:
        found = audit.behaviour.cells[cell]
        table.add_row(
            Text(CELL_NAMES[cell]),
            Text(f"{found.count} of {found.n}"),
            Text(percent(found.share)),
            Text(percent_interval(found.low, found.high), style="dim"),
        )
    return table


def _guard(audit: Audit) -> Table:
    n = audit.guard.rows[0].auroc.n
    table = _table(
        f"The guard and its baselines, {n} test prompts",
        "reading",
        "AUROC",
        "95 %",
        "guard minus this",
        "95 %",
    )
    for row in audit.guard.rows:
        table.add_row(*_guard_row(row))
    return table


def _guard_row(row: GuardRow) -> list[Text]:
    name = Text(inert(row.name), style="bold" if row.key == "guard" else "")
    if row.unavailable is not None:
        return [name, Text("unavailable", style="dim")]
    return [name, *_value(row.auroc), *(_value(row.guard_minus_this) if row.guard_minus_this else ())]


def _value(found: Estimate) -> tuple[Text, Text]:
    return Text(number(found.value)), Text(interval(found.low, found.high), style="dim")
