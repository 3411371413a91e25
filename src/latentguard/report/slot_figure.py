"""Belief by slot (the paper's Figure 2): the mean layer score of each verdict class through the model."""

from collections.abc import Sequence
from typing import Final

from latentguard.report.schema import Band, Cell, SlotPanel
from latentguard.report.specification import (
    Figure,
    Specification,
    Table,
    axis,
    interval_area,
    layout,
    zero_line,
)
from latentguard.report.words import CELL_NAMES, FITTED, number, panel_title

_DASH: Final[dict[Cell, str]] = {
    "refused_harmful": "solid",
    "accepted_harmful": "dash",
    "refused_harmless": "dash",
    "accepted_harmless": "solid",
}


def slot_key(panel: SlotPanel) -> str:
    """The element id of a panel's figure."""
    return f"figure-slots-{panel.endings}-{panel.position}".replace("_", "-")


def slot_range(panels: Sequence[SlotPanel]) -> tuple[float, float]:
    """One vertical range for every panel, so that they can be compared by eye.

    Slot 0, which no belief uses, may stretch it to twice its height and no further.
    """
    inner: list[float] = [0.0]
    outer: list[float] = []
    for panel in panels:
        for band in panel.bands:
            for values in (band.mean, band.low, band.high):
                for slot, value in zip(panel.slots, values, strict=True):
                    if value is not None:
                        (outer if slot == 0 else inner).append(value)
    low, high = min(inner), max(inner)
    height = max(high - low, 1e-3)
    low = max(min([low, *outer]), low - height / 2)
    high = min(max([high, *outer]), high + height / 2)
    return low - 0.06 * height, high + 0.06 * height


def _band_traces(panel: SlotPanel, band: Band) -> list[Specification]:
    colour = f"@{band.cell.replace('_', '-')}"
    name = CELL_NAMES[band.cell]
    inner = [index for index, slot in enumerate(panel.slots) if slot != 0]
    slots = [panel.slots[index] for index in inner]
    low, high = [band.low[index] for index in inner], [band.high[index] for index in inner]
    traces = interval_area(slots, low, high, colour)
    traces.append(
        {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "x": slots,
            "y": [band.mean[index] for index in inner],
            "line": {"color": colour, "width": 2.25, "dash": _DASH[band.cell]},
            "hovertemplate": "%{y:.3f}",
        }
    )
    if len(inner) < len(panel.slots):
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [0],
                "y": [band.mean[panel.slots.index(0)]],
                "marker": {
                    "color": colour,
                    "size": 7,
                    "symbol": "x-thin",
                    "line": {"width": 2, "color": colour},
                },
                "hovertemplate": "%{y:.3f}",
            }
        )
    return traces


def slot_figure(panel: SlotPanel, span: tuple[float, float]) -> Figure:
    """Belief by slot for the verdict classes that hold a prompt; slot 0 stands apart from the lines."""
    bands = [band for band in panel.bands if band.n > 0]
    last = max(panel.slots)
    shapes = [zero_line("y")]
    if 0 in panel.slots:
        shapes.append(
            {
                "type": "rect", "layer": "below", "xref": "x", "yref": "paper", "x0": -0.5, "x1": 0.5,
                "y0": 0, "y1": 1, "fillcolor": "@grid/0.45", "line": {"width": 0},
            }
        )  # fmt: skip
    frame = layout(
        axis("slot", range=[min(panel.slots) - 0.5, last + 0.5], tickformat="d"),
        axis("layer score", range=list(span), tickformat=".2f"),
        height=300,
        shapes=shapes,
        hovermode="x unified",
    )
    traces = [trace for band in bands for trace in _band_traces(panel, band)]
    ends = ", ".join(f"{CELL_NAMES[band.cell]} {number(band.mean[-1])}" for band in bands)
    return Figure(
        key=slot_key(panel),
        title=panel_title(panel),
        label=f"Line chart of the mean layer score at every slot at {panel.position}, "
        f"{FITTED[panel.endings]}. At the last slot: {ends}.",
        specification={"data": traces, "layout": frame},
        table=_slot_table(panel, bands),
    )


def _slot_table(panel: SlotPanel, bands: Sequence[Band]) -> Table:
    headers = ["slot", *(f"{CELL_NAMES[band.cell]} (n = {band.n})" for band in bands)]
    rows = []
    for index, slot in enumerate(panel.slots):
        cells = [
            f"{number(band.mean[index], 3)}"
            + (
                f" ({number(band.low[index], 3)} to {number(band.high[index], 3)})"
                if band.low[index] is not None
                else ""
            )
            for band in bands
        ]
        rows.append((f"{slot}", *cells))
    return Table(tuple(headers), tuple(rows))
