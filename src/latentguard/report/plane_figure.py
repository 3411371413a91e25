"""The belief plane: every prompt that was not fitted on, by its two beliefs."""

from collections.abc import Sequence
from typing import Final

from latentguard._text import inert
from latentguard.report.schema import CELLS, Cell, PlanePoint
from latentguard.report.specification import Figure, Specification, Table, axis, hover_text, layout, zero_line
from latentguard.report.words import CELL_NAMES, number

MARK_SYMBOLS: Final[dict[Cell, str]] = {
    "refused_harmful": "circle",
    "accepted_harmful": "diamond-open",
    "refused_harmless": "diamond",
    "accepted_harmless": "circle-open",
}


def plane_figure(points: Sequence[PlanePoint]) -> Figure:
    """Every prompt by its two beliefs; without a refusal belief, one row for each verdict class."""
    two_beliefs = any(point.refusal is not None for point in points)
    traces: list[Specification] = []
    for row, cell in enumerate(reversed(CELLS)):
        members = [(index, point) for index, point in enumerate(points) if point.cell == cell]
        colour = f"@{cell.replace('_', '-')}"
        # without a second belief the row only spreads the points so that each can be seen and pointed at
        heights = [
            point.refusal if two_beliefs else row + ((position % 5) - 2) * 0.09
            for position, (_, point) in enumerate(members)
        ]
        refusal = "<br>refusal belief %{y:.3f}" if two_beliefs else ""
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": CELL_NAMES[cell],
                "x": [point.harmfulness for _, point in members],
                "y": heights,
                "customdata": [index for index, _ in members],
                "text": [hover_text(point.prompt) for _, point in members],
                "marker": {
                    "color": colour,
                    "size": 8,
                    "symbol": MARK_SYMBOLS[cell],
                    "opacity": 0.85,
                    "line": {"width": 1.5, "color": colour},
                },
                "hovertemplate": f"<b>{CELL_NAMES[cell]}</b><br>%{{text}}"
                f"<br>harmfulness belief %{{x:.3f}}{refusal}<extra></extra>",
            }
        )
    vertical = (
        axis("refusal belief at t_post_inst", tickformat=".2f")
        if two_beliefs
        else axis(
            "", tickvals=[0, 1, 2, 3], ticktext=[CELL_NAMES[c].replace(" ", "<br>") for c in reversed(CELLS)],
            range=[-0.5, 3.5],
        )
    )  # fmt: skip
    shapes = [zero_line("x"), *([zero_line("y")] if two_beliefs else [])]
    frame = layout(
        axis("harmfulness belief at t_inst", tickformat=".2f"),
        vertical,
        height=460,
        shapes=shapes,
        hovermode="closest",
    )
    second = "refusal belief (vertical)" if two_beliefs else "verdict class (rows; no refusal belief)"
    rows = tuple(
        (
            CELL_NAMES[point.cell],
            number(point.harmfulness, 3),
            number(point.refusal, 3),
            point.source or "",
            point.attack or "",
            inert(point.prompt),
        )
        for point in points
    )
    return Figure(
        key="figure-plane",
        title="The belief plane",
        label=f"Scatter chart of {len(points)} prompts by harmfulness belief (horizontal) and {second}.",
        specification={"data": traces, "layout": frame},
        table=Table(
            ("verdict class", "harmfulness belief", "refusal belief", "source", "attack", "prompt"), rows
        ),
    )
