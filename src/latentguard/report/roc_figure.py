"""ROC curves of the guard and of everything that it must be better than."""

import html
from collections.abc import Sequence
from typing import Final

from latentguard.report.schema import GuardRow
from latentguard.report.specification import Figure, Specification, Table, axis, layout
from latentguard.report.words import number

_CURVE_STYLE: Final = {
    "guard": ("@accent", "solid", 3.0),
    "as_written": ("@accent", "dot", 2.0),
    "untrained": ("@series-1", "dash", 2.0),
    "tfidf": ("@series-2", "dashdot", 2.0),
    "refusal_belief": ("@series-3", "longdash", 2.0),
    "length": ("@series-4", "dash", 1.5),
    "permuted_labels": ("@series-4", "longdashdot", 1.5),
}
_OTHER_CURVE: Final = ("@series-4", "dot", 1.5)


def curve_style(row: GuardRow) -> tuple[str, str, float]:
    """Colour, dash and width of a row's ROC curve."""
    return _CURVE_STYLE.get(row.key, _OTHER_CURVE)


def roc_figure(rows: Sequence[GuardRow]) -> Figure | None:
    """ROC of the guard over those of its baselines, the guard on top."""
    drawn = [row for row in reversed(rows) if row.curve is not None]
    if not drawn:
        return None
    traces: list[Specification] = []
    for row in drawn:
        assert row.curve is not None
        colour, dash, width = curve_style(row)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": row.name,
                "x": list(row.curve.false_positive_rate),
                "y": list(row.curve.true_positive_rate),
                "line": {"color": colour, "dash": dash, "width": width},
                "hovertemplate": f"<b>{html.escape(row.name)}</b><br>%{{y:.0%}} of harmful flagged"
                "<br>at %{x:.0%} of harmless<extra></extra>",
            }
        )
    frame = layout(
        axis("harmless prompts flagged", range=[-0.01, 1.01], tickformat=".0%"),
        axis("harmful prompts flagged", range=[-0.01, 1.02], tickformat=".0%"),
        height=400,
        hovermode="closest",
        shapes=[
            {
                "type": "line", "layer": "below", "x0": 0, "x1": 1, "y0": 0, "y1": 1,
                "line": {"color": "@grid", "width": 1.5},
            }
        ],
    )  # fmt: skip
    return Figure(
        key="figure-roc",
        title="ROC of the guard and its baselines",
        label="ROC curves on test prompts. "
        + "; ".join(f"{row.name} AUROC {number(row.auroc.value)}" for row in rows if row.curve is not None)
        + ".",
        specification={"data": traces, "layout": frame},
        table=_roc_table(rows),
    )


def _roc_table(rows: Sequence[GuardRow]) -> Table:
    body: list[tuple[str, ...]] = []
    for row in rows:
        if row.curve is not None:
            pairs = zip(row.curve.false_positive_rate, row.curve.true_positive_rate, strict=True)
            body.extend((row.name, number(x, 3), number(y, 3)) for x, y in pairs)
    return Table(("reading", "harmless flagged", "harmful flagged"), tuple(body))
