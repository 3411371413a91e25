"""The angle between the harmfulness and the refusal direction along the slots, fitted both ways."""

from collections.abc import Sequence

from latentguard.report.schema import CosineCurve
from latentguard.report.specification import Figure, Specification, Table, axis, layout, zero_line
from latentguard.report.words import ENDINGS_NAMES, number


def cosine_figure(curves: Sequence[CosineCurve]) -> Figure | None:
    """Cosine of the two directions by slot, slot 0 left out; None where there is no refusal direction."""
    drawn = [curve for curve in curves if any(value is not None for value in curve.values)]
    if not drawn:
        return None
    traces: list[Specification] = []
    for curve in drawn:
        colour, dash = ("@accent", "solid") if curve.endings == "balanced" else ("@series-1", "dash")
        kept = [(slot, value) for slot, value in zip(curve.slots, curve.values, strict=True) if slot != 0]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": ENDINGS_NAMES[curve.endings],
                "x": [slot for slot, _ in kept],
                "y": [value for _, value in kept],
                "line": {"color": colour, "dash": dash, "width": 2.5},
                "hovertemplate": "%{y:.2f}",
            }
        )
    values = [value for curve in drawn for value in curve.values[1:] if value is not None]
    frame = layout(
        axis("slot", tickformat="d"),
        axis("cosine", range=[min(-0.25, min(values, default=0) - 0.05), 1.02], tickformat=".1f"),
        height=300,
        shapes=[zero_line("y")],
        hovermode="x unified",
    )
    means = " and ".join(
        f"{number(curve.mean_without_slot_0)} {ENDINGS_NAMES[curve.endings]}" for curve in drawn
    )
    rows = tuple(
        (f"{slot}", *(number(curve.values[index], 3) for curve in drawn))
        for index, slot in enumerate(drawn[0].slots)
    )
    return Figure(
        key="figure-cosines",
        title="Cosine of the harmfulness and the refusal direction",
        label=f"Line chart of the cosine by slot; its mean over slots is {means}.",
        specification={"data": traces, "layout": frame},
        table=Table(("slot", *(ENDINGS_NAMES[curve.endings] for curve in drawn)), rows),
    )
