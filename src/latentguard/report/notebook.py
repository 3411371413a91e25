"""An audit in a notebook: its readings as a frame, and two small tables of what was found."""

from typing import TYPE_CHECKING

from latentguard.beliefs.table import html_table
from latentguard.guard import Estimate
from latentguard.report.schema import Audit, GuardRow
from latentguard.report.words import estimate

if TYPE_CHECKING:
    import pandas


def readings_frame(audit: Audit) -> "pandas.DataFrame":
    """See `Audit.to_frame`."""
    import pandas

    return pandas.DataFrame([_flat(row) for row in audit.guard.rows])


def html(audit: Audit) -> str:
    """See `Audit._repr_html_`."""
    answers = [(finding.question, finding.answer, finding.evidence) for finding in audit.findings]
    guard = [
        (
            row.name,
            row.unavailable or estimate(row.auroc),
            "" if row.guard_minus_this is None else estimate(row.guard_minus_this),
        )
        for row in audit.guard.rows
    ]
    return html_table(("", audit.title, ""), answers, caption=audit.limits_line) + html_table(
        ("reading", "AUROC", "guard minus this"), guard, caption=audit.guard.sentence
    )


def _flat(row: GuardRow) -> dict[str, object]:
    """The numbers of a row, every estimate spread over three columns; its ROC curve is left out."""
    flat: dict[str, object] = {}
    for name in GuardRow.model_fields:
        value: object = getattr(row, name)
        if isinstance(value, Estimate):
            flat |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
        elif name != "curve":
            flat[name] = value
    return flat
