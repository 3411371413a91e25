import json
from typing import Any

import plotly.graph_objects as plotly
import pytest

from latentguard.report.cosine_figure import cosine_figure
from latentguard.report.figures import figures
from latentguard.report.page import SWATCH_DASHES
from latentguard.report.plane_figure import plane_figures
from latentguard.report.roc_figure import curve_style
from latentguard.report.slot_figure import slot_range
from latentguard.report.specification import HOVER_CHARACTERS, hover_text
from tests.report.synthetic import COUNTS, HOSTILE, synthetic_audit

COLOUR_KEYS = {
    "color", "fillcolor", "bgcolor", "bordercolor", "gridcolor", "linecolor", "paper_bgcolor", "plot_bgcolor",
}  # fmt: skip


def _coloured(node: Any, key: str = "") -> Any:
    if isinstance(node, dict):
        return {name: _coloured(child, name) for name, child in node.items()}
    if isinstance(node, list):
        return [_coloured(child) for child in node]
    if isinstance(node, str) and node.startswith("@") and key in COLOUR_KEYS:
        return "#123456"
    return node


def test_every_figure_is_valid_plotly_and_plain_json(complete, bare):
    for audit in (complete, bare):
        for figure in figures(audit):
            plotly.Figure(_coloured(figure.specification))
            json.dumps(figure.specification, allow_nan=False)


def test_every_colour_is_a_role_of_the_page(complete):
    def roles(node: Any) -> set[str]:
        if isinstance(node, dict):
            own = {v for k, v in node.items() if k in COLOUR_KEYS and isinstance(v, str)}
            return own.union(*(roles(child) for child in node.values()))
        return set().union(*(roles(child) for child in node)) if isinstance(node, list) else set()

    used = set().union(*(roles(figure.specification) for figure in figures(complete)))
    assert used
    assert all(colour.startswith("@") for colour in used)


def test_keys_are_unique_and_tables_hold_every_point(complete):
    drawn = figures(complete)
    assert len({figure.key for figure in drawn}) == len(drawn) == 8
    planes = [
        figure for figure in drawn if figure.key in ("figure-plane-balanced", "figure-plane-as-written")
    ]
    assert [len(plane.table.rows) for plane in planes] == [len(complete.plane)] * 2
    for figure in drawn:
        assert all(len(row) == len(figure.table.headers) for row in figure.table.rows)


@pytest.mark.parametrize("prompt", HOSTILE)
def test_hover_text_has_no_element_but_its_own_line_breaks(prompt):
    assert "<" not in hover_text(prompt).replace("<br>", "")
    assert "\x1b" not in hover_text(prompt)


def test_a_long_prompt_is_cut_in_hover_text():
    text = hover_text("long " * 1000)
    assert len(text.replace("<br>", "")) == HOVER_CHARACTERS
    assert text.endswith("…")


def test_slot_0_is_drawn_apart_from_the_lines_and_cannot_squash_them():
    audit = synthetic_audit()
    panel = audit.panels[0]
    wild = panel.model_copy(
        update={
            "bands": tuple(
                band.model_copy(
                    update={
                        "mean": (5.0, *band.mean[1:]),
                        "low": (5.0, *band.low[1:]),
                        "high": (5.0, *band.high[1:]),
                    }
                )
                for band in panel.bands
            )
        }
    )
    plain, stretched = slot_range([panel]), slot_range([wild])
    assert stretched[1] - stretched[0] <= 2.2 * (plain[1] - plain[0])
    lines = [trace for figure in figures(audit)[:1] for trace in figure.specification["data"]]
    assert all(0 not in trace["x"] for trace in lines if trace["mode"] == "lines")


def test_all_panels_share_one_vertical_range(complete):
    ranges = {
        tuple(f.specification["layout"]["yaxis"]["range"]) for f in figures(complete) if "slots" in f.key
    }
    assert len(ranges) == 1


def test_a_class_with_one_prompt_has_a_line_and_no_band(complete):
    audit = synthetic_audit(counts=COUNTS | {"refused_harmless": 1})
    traces = figures(audit)[0].specification["data"]
    mine = [
        trace
        for trace in traces
        if "refused-harmless" in trace["line" if "line" in trace else "marker"]["color"]
    ]
    assert [trace for trace in mine if trace["mode"] == "lines" and trace.get("fill") is None]
    assert not [trace for trace in mine if trace.get("fill")]


def test_both_planes_share_their_axes(complete):
    frames = [figure.specification["layout"] for figure in plane_figures(complete.plane)]
    for name in ("xaxis", "yaxis"):
        low, high = frames[0][name]["range"]
        assert [low, high] == frames[1][name]["range"]
        marks = [
            value
            for point in complete.plane
            for value in (
                (point.harmfulness, point.harmfulness_as_written)
                if name == "xaxis"
                else (point.refusal, point.refusal_as_written)
            )
        ]
        assert low < min(*marks, 0)
        assert high > max(*marks, 0)


def test_a_cosine_has_a_band_where_its_interval_is_known(complete):
    figure = cosine_figure(complete.cosines)
    bands = [trace for trace in figure.specification["data"] if trace.get("fill")]
    assert [len(band["x"]) for band in bands] == [2 * (len(complete.cosines[0].slots) - 1)] * 2
    unknown = [
        curve.model_copy(update={"low": (None,) * len(curve.slots), "high": (None,) * len(curve.slots)})
        for curve in complete.cosines
    ]
    assert not [trace for trace in cosine_figure(unknown).specification["data"] if trace.get("fill")]


def test_no_two_lines_of_a_roc_look_alike_and_the_legend_can_draw_each(complete):
    styles = [curve_style(row) for row in complete.guard.rows]
    assert len(set(styles)) == len(styles)
    assert {dash for _, dash, _ in styles} <= set(SWATCH_DASHES)


def test_without_a_refusal_belief_the_plane_has_rows_and_says_so(bare):
    for figure in plane_figures(bare.plane):
        assert "no refusal belief" in figure.label
        assert figure.specification["layout"]["yaxis"]["ticktext"]
    assert cosine_figure(bare.cosines) is None
