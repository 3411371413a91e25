"""What every figure of the page is made of: a plotly specification in plain data, and the table behind it.

A colour is written `@role` or `@role/opacity` and becomes one of the page's CSS colours in the browser, so
that figures follow a light or dark screen. Text from prompts is escaped twice over: `inert` for control
characters, then HTML, because plotly reads hover text as a small HTML dialect.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from latentguard._text import inert

Specification = dict[str, Any]
HOVER_LINE: Final = 56
HOVER_CHARACTERS: Final = 280


@dataclass(frozen=True, slots=True)
class Table:
    """What a figure draws, for readers who cannot see it."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """One drawing: `key` is its element id, `label` says in words what a sighted reader would see."""

    key: str
    title: str
    label: str
    specification: Specification
    table: Table


def axis(title: str, **options: Any) -> Specification:
    """One axis in the page's colours; it cannot be zoomed, so that a finger scrolls the page."""
    return {
        "title": {"text": title, "standoff": 8},
        "gridcolor": "@grid",
        "linecolor": "@grid",
        "zeroline": False,
        "automargin": True,
        "fixedrange": True,
        **options,
    }


def layout(x: Specification, y: Specification, *, height: int, **options: Any) -> Specification:
    """The frame that all figures share."""
    return {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 12, "b": 8, "pad": 2},
        "paper_bgcolor": "@clear",
        "plot_bgcolor": "@clear",
        "font": {"color": "@ink-soft", "size": 12},
        "showlegend": False,
        "dragmode": False,
        "hoverlabel": {
            "bgcolor": "@card",
            "bordercolor": "@grid",
            "font": {"color": "@ink"},
            "align": "left",
        },
        "xaxis": x,
        "yaxis": y,
        **options,
    }


def interval_area(
    along: Sequence[int], low: Sequence[float | None], high: Sequence[float | None], colour: str
) -> list[Specification]:
    """The area between `low` and `high`, where both are known; no trace where they are known nowhere."""
    known = [
        (at, least, most)
        for at, least, most in zip(along, low, high, strict=True)
        if least is not None and most is not None
    ]
    if not known:
        return []
    area: Specification = {
        "type": "scatter",
        "mode": "lines",
        "x": [at for at, _, _ in known] + [at for at, _, _ in reversed(known)],
        "y": [most for _, _, most in known] + [least for _, least, _ in reversed(known)],
        "fill": "toself",
        "fillcolor": f"{colour}/0.16",
        "line": {"width": 0, "color": colour},
        "hoverinfo": "skip",
    }
    return [area]


def zero_line(across: str) -> Specification:
    """The line of score 0, for the axis `x` or `y`."""
    span = {"x0": 0, "x1": 1, "xref": "paper", "y0": 0, "y1": 0, "yref": "y"}
    if across == "x":
        span = {"y0": 0, "y1": 1, "yref": "paper", "x0": 0, "x1": 0, "xref": "x"}
    return {"type": "line", "layer": "below", "line": {"color": "@ink-soft", "width": 2}, **span}


def hover_text(prompt: str) -> str:
    """A prompt for a hover label: one escaped text, cut and broken into lines."""
    shown = inert(prompt, limit=HOVER_CHARACTERS)
    lines = [shown[start : start + HOVER_LINE] for start in range(0, len(shown), HOVER_LINE)]
    return "<br>".join(html.escape(line) for line in lines)
