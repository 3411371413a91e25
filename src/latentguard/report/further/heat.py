"""A heat map: one number for every row and column, from the page's paper to one of its colours."""

import html
from collections.abc import Sequence

from latentguard._text import inert
from latentguard.report.specification import Figure, Table, axis, layout
from latentguard.report.words import number

_ROW, _FRAME = 34, 70
"""Pixels of one row, and of what stands around all."""


MOST_CHARACTERS = 40


def heat_map(
    key: str,
    title: str,
    label: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float | None]],
    *,
    across: str = "",
    colour: str = "@accent",
    span: tuple[float, float] = (0.0, 1.0),
    what: str = "",
) -> Figure:
    """`values` [row, column]; None is drawn as nothing. Rows stand in reading order, the first on top."""
    trace = {
        "type": "heatmap",
        "x": [_label(name) for name in columns],
        "y": [_label(name) for name in rows],
        "z": [list(row) for row in values],
        "zmin": span[0],
        "zmax": span[1],
        "colorscale": [[0, "@paper"], [1, colour]],
        "showscale": False,
        "xgap": 1,
        "ygap": 2,
        "hoverongaps": False,
        "hovertemplate": f"%{{y}}, {across or 'column'} %{{x}}: %{{z:.2f}} {what}<extra></extra>",
    }
    frame = layout(
        axis(across, type="category", showgrid=False, nticks=16),
        axis("", type="category", autorange="reversed", showgrid=False),
        height=_FRAME + _ROW * len(rows),
    )
    table = Table(
        ("", *columns),
        tuple((name, *(number(value) for value in row)) for name, row in zip(rows, values, strict=True)),
    )
    return Figure(key, title, label, {"data": [trace], "layout": frame}, table)


def _label(name: str) -> str:
    """A name for an axis, which plotly reads as a small HTML dialect."""
    return html.escape(inert(name, limit=MOST_CHARACTERS))
