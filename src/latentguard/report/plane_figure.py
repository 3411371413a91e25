"""The belief plane: every prompt that was not fitted on, by its two beliefs."""

from collections.abc import Sequence
from typing import Final, TypeAlias

from latentguard._text import inert
from latentguard.report.schema import CELLS, Cell, EndingsName, PlanePoint
from latentguard.report.specification import Figure, Specification, Table, axis, hover_text, layout, zero_line
from latentguard.report.words import CELL_NAMES, ENDINGS_NAMES, FITTED, number

MARK_SYMBOLS: Final[dict[Cell, str]] = {
    "refused_harmful": "circle",
    "accepted_harmful": "diamond-open",
    "refused_harmless": "diamond",
    "accepted_harmless": "circle-open",
}
_Span: TypeAlias = tuple[float, float] | None


def plane_key(endings: EndingsName) -> str:
    """The element id of a plane."""
    return f"figure-plane-{endings}".replace("_", "-")


def plane_figures(points: Sequence[PlanePoint]) -> list[Figure]:
    """The plane of each kind of endings, both with the same axes so that they can be compared by eye."""
    if not points:
        return []
    kinds: tuple[EndingsName, EndingsName] = ("balanced", "as_written")
    pairs = [_beliefs(point, endings) for point in points for endings in kinds]
    across = _span([harmfulness for harmfulness, _ in pairs])
    up = _span([refusal for _, refusal in pairs if refusal is not None])
    return [plane_figure(points, endings, across, up) for endings in kinds]


def plane_figure(points: Sequence[PlanePoint], endings: EndingsName, across: _Span, up: _Span) -> Figure:
    """Every prompt by its two beliefs; without a refusal belief, one row for each verdict class.

    `across` and `up` are the ranges of the axes; `up` is None where there is no refusal belief.
    """
    beliefs = [_beliefs(point, endings) for point in points]
    traces: list[Specification] = []
    for row, cell in enumerate(reversed(CELLS)):
        members = [index for index, point in enumerate(points) if point.cell == cell]
        colour = f"@{cell.replace('_', '-')}"
        # without a second belief the row only spreads the points so that each can be seen and pointed at
        heights = [
            beliefs[index][1] if up else row + ((position % 5) - 2) * 0.09
            for position, index in enumerate(members)
        ]
        refusal = "<br>refusal belief %{y:.3f}" if up else ""
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": CELL_NAMES[cell],
                "x": [beliefs[index][0] for index in members],
                "y": heights,
                "customdata": members,
                "text": [hover_text(points[index].prompt) for index in members],
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
    second = "refusal belief (vertical)" if up else "verdict class (rows; no refusal belief)"
    return Figure(
        key=plane_key(endings),
        title=f"The belief plane, {ENDINGS_NAMES[endings]}",
        label=f"Scatter chart of {len(points)} prompts by harmfulness belief (horizontal) and {second}, "
        f"{FITTED[endings]}.",
        specification={"data": traces, "layout": _frame(across, up)},
        table=_table(points, beliefs),
    )


def _beliefs(point: PlanePoint, endings: EndingsName) -> tuple[float, float | None]:
    if endings == "balanced":
        return point.harmfulness, point.refusal
    return point.harmfulness_as_written, point.refusal_as_written


def _span(values: Sequence[float]) -> _Span:
    """The range of an axis: all values, zero, and some air; None without any value."""
    if not values:
        return None
    low, high = min(*values, 0.0), max(*values, 0.0)
    air = 0.06 * max(high - low, 1e-3)
    return low - air, high + air


def _frame(across: _Span, up: _Span) -> Specification:
    if up:
        vertical = axis("refusal belief at t_post_inst", tickformat=".2f", range=list(up))
    else:
        rows = [CELL_NAMES[cell].replace(" ", "<br>") for cell in reversed(CELLS)]
        vertical = axis("", tickvals=[0, 1, 2, 3], ticktext=rows, range=[-0.5, 3.5])
    return layout(
        axis("harmfulness belief at t_inst", tickformat=".2f", range=list(across or (-1, 1)), nticks=7),
        vertical,
        height=400,
        shapes=[zero_line("x"), *([zero_line("y")] if up else [])],
        hovermode="closest",
    )


def _table(points: Sequence[PlanePoint], beliefs: Sequence[tuple[float, float | None]]) -> Table:
    rows = tuple(
        (
            CELL_NAMES[point.cell],
            number(harmfulness, 3),
            number(refusal, 3),
            point.source or "",
            point.attack or "",
            inert(point.prompt),
        )
        for point, (harmfulness, refusal) in zip(points, beliefs, strict=True)
    )
    return Table(
        ("verdict class", "harmfulness belief", "refusal belief", "source", "attack", "prompt"), rows
    )
