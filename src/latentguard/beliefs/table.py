"""What a notebook shows of a result: a small HTML table in which everything is inert and escaped."""

from collections.abc import Iterable, Sequence
from html import escape

from latentguard._text import inert

MOST_ROWS = 20
"""Rows shown of a result with one row a prompt; `to_frame()` has them all."""


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "") -> str:
    """A plain table, everything escaped; no caption where there is none to give."""
    above = f"<caption>{escape(inert(caption))}</caption>" if caption else ""
    cells = "".join(f"<th>{escape(inert(name))}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(inert(value))}</td>" for value in row) + "</tr>" for row in rows
    )
    return f"<table>{above}<thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def signed(value: float | None) -> str:
    """A belief as tables show it: `+0.123`, or the word for none."""
    return "unavailable" if value is None else f"{value:+.3f}"
