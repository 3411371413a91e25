"""The angle between the harmfulness and the refusal direction along the slots, fitted both ways."""

from collections.abc import Sequence

from latentguard.report.schema import CosineCurve
from latentguard.report.specification import (
    Figure,
    Specification,
    Table,
    axis,
    interval_area,
    layout,
    zero_line,
)
from latentguard.report.words import ENDINGS_NAMES, estimate, interval, number


def cosine_figure(curves: Sequence[CosineCurve]) -> Figure | None:
    """Cosine of the two directions by slot, slot 0 left out; None where there is no refusal direction."""
    drawn = [curve for curve in curves if any(value is not None for value in curve.values)]
    if not drawn:
        return None
    ends = [end for curve in drawn for end in (*curve.low[1:], *curve.high[1:]) if end is not None]
    frame = layout(
        axis("slot", tickformat="d"),
        axis("cosine", range=[min(-0.25, min(ends, default=0) - 0.05), 1.02], tickformat=".1f"),
        height=300,
        shapes=[zero_line("y")],
        hovermode="x unified",
    )
    means = " and ".join(
        f"{estimate(curve.mean_without_slot_0)} {ENDINGS_NAMES[curve.endings]}"
        for curve in drawn
        if curve.mean_without_slot_0 is not None
    )
    rows = tuple(
        (f"{slot}", *(_cell(curve, index) for curve in drawn)) for index, slot in enumerate(drawn[0].slots)
    )
    return Figure(
        key="figure-cosines",
        title="Cosine of the harmfulness and the refusal direction",
        label=f"Line chart of the cosine by slot; its mean over slots is {means}.",
        specification={"data": [trace for curve in drawn for trace in _traces(curve)], "layout": frame},
        table=Table(("slot", *(ENDINGS_NAMES[curve.endings] for curve in drawn)), rows),
    )


def _traces(curve: CosineCurve) -> list[Specification]:
    """The line, and its interval as a band behind it."""
    colour, dash = ("@accent", "solid") if curve.endings == "balanced" else ("@series-1", "dash")
    kept = [index for index, slot in enumerate(curve.slots) if slot != 0]
    line: Specification = {
        "type": "scatter",
        "mode": "lines",
        "name": ENDINGS_NAMES[curve.endings],
        "x": [curve.slots[index] for index in kept],
        "y": [curve.values[index] for index in kept],
        "line": {"color": colour, "dash": dash, "width": 2.5},
        "hovertemplate": "%{y:.2f}",
    }
    low, high = [curve.low[index] for index in kept], [curve.high[index] for index in kept]
    return [*interval_area(line["x"], low, high, colour), line]


def _cell(curve: CosineCurve, index: int) -> str:
    between = interval(curve.low[index], curve.high[index], 3)
    return number(curve.values[index], 3) + (f" ({between})" if between else "")
