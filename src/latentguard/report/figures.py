"""Which figures an audit has the numbers for."""

from latentguard.report.cosine_figure import cosine_figure
from latentguard.report.plane_figure import plane_figures
from latentguard.report.roc_figure import roc_figure
from latentguard.report.schema import Audit
from latentguard.report.slot_figure import slot_figure, slot_range
from latentguard.report.specification import Figure


def figures(audit: Audit) -> list[Figure]:
    """Every figure that this audit has the numbers for, in the order of the page."""
    panels = [panel for panel in audit.panels if panel.reason is None and panel.slots]
    span = slot_range(panels)
    drawn: list[Figure | None] = [slot_figure(panel, span) for panel in panels]
    drawn.extend(plane_figures(audit.plane))
    drawn.extend([cosine_figure(audit.cosines), roc_figure(audit.guard.rows)])
    return [figure for figure in drawn if figure is not None]
