"""How many prompts a guard needs, and at which slots the belief is read."""

from latentguard.guard.ablations import Ablations
from latentguard.report.further.section import Listing, Section, shown
from latentguard.report.specification import Figure, Specification, Table, axis, interval_area, layout
from latentguard.report.words import MISSING, interval, number

LEAD = (
    "Guards are fitted on fewer and fewer prompts, several draws of each size, and the belief is read at "
    "every slot alone; all of it measured on prompts that nothing was fitted on."
)
_COLOUR = "@accent"


def ablations_section(found: Ablations) -> Section:
    """A table by size and a curve by slot."""
    sizes = Listing(
        f"Prompts of {found.fitted_on}; 30 % of each draw choose, {found.n_test} others are measured on",
        ("fitting prompts a class", "guards", "AUROC (mean)", "of the worst draw"),
        tuple(
            (str(one.prompts), str(one.draws), shown(one.auroc, 3), number(one.worst, 3))
            for one in found.sizes
        ),
    )
    everywhere = [one for one in found.slots if one.slot is None]
    sentences = tuple(
        f"Over all slots but the first, as the paper takes them: AUROC {shown(one.auroc, 3)}."
        for one in everywhere
        if one.auroc.value is not None
    )
    notes = ()
    if found.left_out:
        notes = (f"Too few prompts for {', '.join(map(str, found.left_out))} a class.",)
    return Section(
        key="ablations",
        title="How much a guard needs",
        lead=LEAD,
        source="ablations.json",
        sentences=sentences,
        figures=(_by_slot(found),),
        listings=(sizes,),
        notes=notes,
    )


def _by_slot(found: Ablations) -> Figure:
    rows = [(one.slot, one.auroc) for one in found.slots if one.slot is not None]
    slots = [slot for slot, _ in rows]
    known = [(auroc.value, slot) for slot, auroc in rows if auroc.value is not None]
    best = max(known, default=None)
    peak = "" if best is None else f" Highest at slot {best[1]}: {number(best[0])}."
    band = interval_area(slots, [auroc.low for _, auroc in rows], [auroc.high for _, auroc in rows], _COLOUR)
    line: Specification = {
        "type": "scatter",
        "mode": "lines",
        "name": "AUROC",
        "x": slots,
        "y": [auroc.value for _, auroc in rows],
        "line": {"color": _COLOUR, "width": 2.25},
        "hovertemplate": "%{y:.3f}",
    }
    frame = layout(
        axis("slot", tickformat="d"),
        axis("AUROC", range=[0, 1.03], tickformat=".1f"),
        height=280,
        hovermode="x unified",
    )
    return Figure(
        key="figure-ablations",
        title="AUROC of the harmfulness belief at one slot alone",
        label=f"Line chart of the AUROC of the harmfulness belief at every slot, with 95 % intervals.{peak}",
        specification={"data": [*band, line], "layout": frame},
        table=Table(
            ("slot", "AUROC", "interval"),
            tuple(
                (str(slot), number(auroc.value, 3), interval(auroc.low, auroc.high, 3) or MISSING)
                for slot, auroc in rows
            ),
        ),
    )
