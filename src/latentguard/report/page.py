"""The audit as one self-contained page: opens offline, asks nothing of any server, runs only its own scripts.

Three walls keep hostile prompts inert: jinja2 escapes everything it inserts; data for the figures is JSON
without a single `<`; and a content security policy names the two scripts of the page by their hash, so that
nothing else can run and nothing can be fetched.
"""

import base64
import hashlib
import json
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from latentguard._text import inert
from latentguard.report.figures import figures
from latentguard.report.further import Further, sections
from latentguard.report.plane_figure import MARK_SYMBOLS, plane_key
from latentguard.report.roc_figure import curve_style
from latentguard.report.schema import CELLS, Audit, Misread
from latentguard.report.separation import separation_rows
from latentguard.report.slot_figure import slot_key
from latentguard.report.specification import Figure
from latentguard.report.words import (
    CELL_NAMES,
    ENDINGS_MEANINGS,
    ENDINGS_NAMES,
    FITTED,
    number,
    percent,
    slot_ranges,
)

SWATCH_DASHES = {
    "solid": "",
    "dash": "7 4",
    "dashdot": "8 3 2 3",
    "longdash": "11 4",
    "longdashdot": "11 3 2 3",
    "dot": "2 3",
}


def _data(value: float | None, digits: int = 2) -> Markup:
    if value is None:
        return Markup("–")
    return Markup('<data value="{}">{}</data>').format(repr(value), number(value, digits))


def _data_percent(value: float | None) -> Markup:
    if value is None:
        return Markup("–")
    return Markup('<data value="{}">{}</data>').format(repr(value), percent(value))


def _data_count(value: int) -> Markup:
    return Markup('<data value="{}">{}</data>').format(value, value)


def _inert(value: Any) -> Any:
    """What every expression of the template passes through: no control character is left in any text."""
    return inert(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _visible_token(text: str) -> str:
    """A token's text with its spaces shown; inert."""
    return inert(text).replace(" ", "·")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("latentguard.report"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        finalize=_inert,
        trim_blocks=False,
    )
    environment.filters.update(
        data=_data,
        data_percent=_data_percent,
        data_count=_data_count,
        visible=_visible_token,
        slot_ranges=slot_ranges,
    )
    return environment


def _asset(name: str) -> str:
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), name)[0]


def script_json(value: Any) -> Markup:
    """JSON that can stand inside a script element: no `<`, `>`, `&` or line separator is left in it."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _policy(*scripts: str) -> str:
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _plane_points(audit: Audit) -> list[dict[str, str]]:
    points = []
    for point in audit.plane:
        facts = [
            CELL_NAMES[point.cell],
            _belief_fact("harmfulness", point.harmfulness, point.harmfulness_as_written),
            _belief_fact("refusal", point.refusal, point.refusal_as_written),
            *(inert(part) for part in (point.category, point.source, point.attack) if part),
        ]
        points.append(
            {
                "cell": point.cell,
                "prompt": inert(point.prompt),
                "facts": " · ".join(fact for fact in facts if fact),
            }
        )
    return points


def _belief_fact(name: str, balanced: float | None, as_written: float | None) -> str:
    if balanced is None or as_written is None:
        return ""
    return f"{name} belief {number(balanced, 3)} (as written {number(as_written, 3)})"


def _by_panel(audit: Audit, drawn: dict[str, Figure]) -> dict[str, Figure | None]:
    return {f"{panel.endings}/{panel.position}": drawn.get(slot_key(panel)) for panel in audit.panels}


def _misread_groups(audit: Audit) -> list[tuple[str, list[Misread]]]:
    groups = [
        ("Harmful, not flagged", [row for row in audit.misread if row.label == "harmful"]),
        ("Harmless, flagged", [row for row in audit.misread if row.label == "harmless"]),
    ]
    return [(name, rows) for name, rows in groups if rows]


def page(audit: Audit, further: Further | None = None) -> str:
    """The whole HTML page of one audit, and of what else was found out about the same model.

    The same results give the same page, byte for byte.
    """
    drawn = {figure.key: figure for figure in figures(audit)}
    added = [] if further is None else sections(further)
    every = drawn | {figure.key: figure for one in added for figure in one.figures}
    plotly, script = get_plotlyjs(), _asset("report.js")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            audit=audit,
            policy=_policy(plotly, script),
            style=Markup(_asset("report.css")),
            plotly=Markup(plotly),
            script=Markup(script),
            figure_data=script_json({key: figure.specification for key, figure in every.items()}),
            further=added,
            plane_data=script_json(_plane_points(audit)),
            by_panel=_by_panel(audit, drawn),
            planes=[
                (endings, figure)
                for endings in FITTED
                if (figure := drawn.get(plane_key(endings))) is not None
            ],
            cosines=drawn.get("figure-cosines"),
            roc=drawn.get("figure-roc"),
            cells=CELLS,
            cell_names=CELL_NAMES,
            cell_symbols=MARK_SYMBOLS,
            endings_names=ENDINGS_NAMES,
            endings_meanings=ENDINGS_MEANINGS,
            fitted=FITTED,
            misread_groups=_misread_groups(audit),
            separation_rows=separation_rows(audit.separation, audit.separation_as_written),
            curve_style=curve_style,
            swatch_dashes=SWATCH_DASHES,
        )
    )


def write_report(audit: Audit, folder: str | Path, further: Further | None = None) -> tuple[Path, Path]:
    """Write `report.html` and `audit.json` into `folder` (made if absent), each whole or not at all."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    html_path, json_path = target / "report.html", target / "audit.json"
    _write_whole(json_path, audit_json(audit))
    _write_whole(html_path, page(audit, further))
    return html_path, json_path


def audit_json(audit: Audit) -> str:
    """The audit as JSON that is inert when printed: control and invisible characters are escaped."""
    text = json.dumps(audit.model_dump(mode="json"), ensure_ascii=False, allow_nan=False, indent=1)
    return "".join(_escaped(character) for character in text) + "\n"


def _escaped(character: str) -> str:
    if character == "\n" or inert(character) == character:
        return character
    return json.dumps(character)[1:-1]


def read_audit(path: str | Path) -> Audit:
    """The audit that `write_report` wrote, from `audit.json` or the folder that holds it."""
    source = Path(path)
    return Audit.model_validate_json((source / "audit.json" if source.is_dir() else source).read_bytes())


def _write_whole(path: Path, text: str) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


__all__ = ["audit_json", "page", "read_audit", "script_json", "write_report"]
