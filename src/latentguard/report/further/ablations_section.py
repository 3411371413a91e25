"""How many prompts a guard needs, and at which slots the belief is read."""

from latentguard.guard.ablations import Ablations
from latentguard.report.further.curves import Frame, Line, curves
from latentguard.report.further.section import Listing, Section, shown
from latentguard.report.specification import Figure
from latentguard.report.words import number

LEAD = (
    "Guards are fitted on fewer and fewer prompts, several draws of each size, and the belief is read at "
    "every slot alone; all of it measured on prompts that nothing was fitted on."
)


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
    known = [(auroc.value, slot) for slot, auroc in rows if auroc.value is not None]
    best = max(known, default=None)
    peak = "" if best is None else f" Highest at slot {best[1]}: {number(best[0])}."
    return curves(
        "figure-ablations",
        "AUROC of the harmfulness belief at one slot alone",
        f"Line chart of the AUROC of the harmfulness belief at every slot, with 95 % intervals.{peak}",
        [slot for slot, _ in rows],
        [Line("AUROC", tuple(auroc for _, auroc in rows), "@accent")],
        Frame("slot", "AUROC", 280, whole=True),
    )
