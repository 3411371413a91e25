"""Curves by slot or block: lines with the intervals of their points, and the same numbers as a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from latentguard.report.further.section import shown
from latentguard.report.specification import (
    Figure,
    Specification,
    Table,
    axis,
    interval_area,
    layout,
    zero_line,
)
from latentguard.report.words import number
from latentguard.statistics import Estimate

Dash: TypeAlias = Literal["solid", "dash"]


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: `points[k]` stands at place `k` of the figure."""

    name: str
    points: tuple[Estimate, ...]
    colour: str
    dash: Dash = "solid"
    column: str = ""
    """What the table calls it, where that is more than its name."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around the lines."""

    across: Literal["slot", "block"]
    up: str
    height: int
    whole: bool = False
    """The axis shows all of 0 to 1."""
    zero: bool = False
    """The line of score 0 is drawn."""
    digits: int = 3
    intervals: bool = True
    """The table shows them too; not where they are the page's own, computed from the shares and counts of a
    result."""


def curves(
    key: str, title: str, label: str, places: Sequence[int], lines: Sequence[Line], frame: Frame
) -> Figure:
    """One line chart over `places`, slots or blocks; `label` says it in words."""
    traces: list[Specification] = []
    for one in lines:
        low, high = [each.low for each in one.points], [each.high for each in one.points]
        traces += interval_area(places, low, high, one.colour)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": one.name,
                "x": list(places),
                "y": [each.value for each in one.points],
                "line": {"color": one.colour, "width": 2.25, "dash": one.dash},
                "hovertemplate": f"%{{y:.{frame.digits}f}}",
            }
        )
    up = {"range": [-0.03, 1.03], "tickformat": ".1f"} if frame.whole else {"tickformat": ".2f"}
    return Figure(
        key=key,
        title=title,
        label=label,
        specification={
            "data": traces,
            "layout": layout(
                axis(frame.across, tickformat="d"),
                axis(frame.up, **up),
                height=frame.height,
                shapes=[zero_line("y")] if frame.zero else [],
                hovermode="x unified",
            ),
        },
        table=Table(
            (frame.across, *(one.column or one.name for one in lines)),
            tuple(
                (str(place), *(_cell(one.points[index], frame) for one in lines))
                for index, place in enumerate(places)
            ),
        ),
    )


def _cell(point: Estimate, frame: Frame) -> str:
    return shown(point, frame.digits) if frame.intervals else number(point.value, frame.digits)
