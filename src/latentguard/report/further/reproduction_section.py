"""The paper beside what is measured, experiment by experiment, and the angles of categories' directions."""

from latentguard.report.further.heat import heat_map
from latentguard.report.further.section import Listing, Section, shown
from latentguard.report.words import number
from latentguard.verify.reproduction import MEANING, VARIANTS, Reproduction, Row, Variant

LEAD = (
    "The experiments of the main paper that the data at hand allow. What depends on a fit is measured with "
    "endings "
    "as written, as the paper fits, and with balanced ones."
)


def reproduction_section(found: Reproduction) -> Section:
    """One table an experiment."""
    by_experiment: dict[str, list[Row]] = {}
    for row in found.rows:
        if row.skipped is None:
            by_experiment.setdefault(row.experiment, []).append(row)
    moved = "; ".join(f"{row.what} {number(change)}" for row, change in found.moved_by_endings())
    matrices = found.categories
    figures = () if matrices is None else tuple(
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
        figures=figures,
        listings=tuple(_listing(name, rows) for name, rows in by_experiment.items()),
        notes=tuple(f"{row.experiment}, {row.what}: {row.skipped}" for row in found.rows if row.skipped),
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
