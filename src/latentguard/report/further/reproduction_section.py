"""The paper beside what is measured, experiment by experiment, and the angles of categories' directions."""

from collections.abc import Sequence

from latentguard.report.further.curves import Dash, Frame, Line, curves
from latentguard.report.further.heat import heat_map
from latentguard.report.further.section import Listing, Section, shown
from latentguard.report.schema import Cell
from latentguard.report.specification import Figure
from latentguard.report.words import CELL_NAMES, number
from latentguard.statistics import Estimate
from latentguard.verify.reproduction import MEANING, VARIANTS, LayerCurve, Reproduction, Row, Variant

LEAD = (
    "The experiments of the main paper that the data at hand allow. What depends on a fit is measured with "
    "endings "
    "as written, as the paper fits, and with balanced ones."
)

_LINES: dict[Cell, tuple[str, Dash]] = {
    "refused_harmful": ("@refused-harmful", "solid"),
    "accepted_harmful": ("@accepted-harmful", "dash"),
    "refused_harmless": ("@refused-harmless", "dash"),
    "accepted_harmless": ("@accepted-harmless", "solid"),
}
KEY = tuple(
    (colour[1:], "6 4" if dash == "dash" else "", CELL_NAMES[cell]) for cell, (colour, dash) in _LINES.items()
)


def reproduction_section(found: Reproduction) -> Section:
    """One table an experiment."""
    by_experiment: dict[str, list[Row]] = {}
    for row in found.rows:
        if row.skipped is None:
            by_experiment.setdefault(row.experiment, []).append(row)
    moved = "; ".join(f"{row.what} {number(change)}" for row, change in found.moved_by_endings())
    matrices = found.categories
    angles = () if matrices is None else tuple(
        heat_map(
            f"figure-categories-{which}",
            f"Cosine of categories’ {name} directions",
            f"Heat map of the cosine of the {name} directions of {len(matrices.names)} categories of harm.",
            matrices.names,
            matrices.names,
            cosines,
            span=(min(0.0, min(value for row in cosines for value in row)), 1.0),
        )
        for which, name, cosines in (
            ("harm", "harmfulness", matrices.harm),
            ("refusal", "refusal", matrices.refusal),
        )
    )  # fmt: skip
    return Section(
        key="reproduction",
        title="The paper beside this model",
        lead=LEAD,
        source="reproduction.json",
        sentences=(
            f"{found.paper}; {found.data}.",
            " ".join(f"{name.replace('_', ' ').capitalize()}: {MEANING[name]}." for name in VARIANTS),
            *((f"What balanced endings change most: {moved}.",) if moved else ()),
        ),
        key_of_lines=KEY if found.curves else (),
        figures=(*_by_slot(found), *angles),
        listings=tuple(_listing(name, rows) for name, rows in by_experiment.items()),
        notes=tuple(f"{row.experiment}, {row.what}: {row.skipped}" for row in found.rows if row.skipped),
    )


def _by_slot(found: Reproduction) -> list[Figure]:
    """Harmfulness by slot with endings as the paper has them, and balanced: its Figure 2 twice."""
    drawn: list[Figure] = []
    for variant in ("as_written", "balanced"):
        cells = [one for one in found.curves if (one.variant, one.belief) == (variant, "harmfulness")]
        if cells:
            drawn.append(_of_cells(variant, cells))
    return drawn


def _of_cells(variant: Variant, cells: Sequence[LayerCurve]) -> Figure:
    ends = "; ".join(f"{one.cell.replace('_', ' ')} {number(one.mean[-1], 3)}" for one in cells)
    return curves(
        f"figure-reproduction-{variant}".replace("_", "-"),
        f"Harmfulness belief by slot, fitted with endings {variant.replace('_', ' ')}",
        f"Line chart of the mean layer score of {len(cells)} verdict cells by slot, with 95 % intervals. "
        f"At the last slot: {ends}.",
        range(1, len(cells[0].mean)),
        [_line(one) for one in cells],
        Frame("slot", "layer score at t_inst", 320, zero=True),
    )


def _line(one: LayerCurve) -> Line:
    name, (colour, dash) = one.cell.replace("_", " "), _LINES[one.cell]
    points = zip(one.mean, one.low, one.high, strict=True)
    return Line(
        name,
        tuple(Estimate(value=mean, low=low, high=high, n=one.n) for mean, low, high in points)[1:],
        colour,
        dash,
        column=f"{name} (n = {one.n})",
    )


def _listing(name: str, rows: list[Row]) -> Listing:
    columns: list[Variant] = [one for one in VARIANTS if any(one in row.measured for row in rows)]
    return Listing(
        name.capitalize(),
        ("", "paper", *(one.replace("_", " ") for one in columns), "n"),
        tuple(
            (
                f"{row.what} ({row.note})" if row.note else row.what,
                ", ".join(f"{model} {value}" for model, value in row.paper.items()),
                *(shown(row.measured.get(one), 3 if "belief" in row.what else 2) for one in columns),
                str(max(one.n for one in row.measured.values())),
            )
            for row in rows
        ),
    )
