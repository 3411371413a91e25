"""Before and after fine-tuning: belief by slot of both checkpoints, and every change with its interval."""

from latentguard.compare import MEANING, Comparison
from latentguard.report.further.curves import Frame, Line, curves
from latentguard.report.further.section import Listing, Section, shown
from latentguard.report.specification import Figure
from latentguard.report.words import number

_COLOUR = {"harmful": "@refused-harmful", "harmless": "@accepted-harmless"}
KEY = (
    ("refused-harmful", "", "harmful prompts, after"),
    ("accepted-harmless", "", "harmless prompts, after"),
    ("ink-soft", "6 4", "dashed: before"),
)
LEAD = (
    "Centroids and a guard were fitted on the first checkpoint and applied to both, on the same test "
    "prompts. "
    "Differences are paired by prompt: what is hard for both cancels."
)


def comparison_section(found: Comparison) -> Section:
    """Belief by slot, sides and changes."""
    before, after = found.before.model.name, found.after.model.name
    sides = tuple(
        (name, shown(getattr(found.before, field)), shown(getattr(found.after, field)))
        for name, field in (
            ("harmful refused", "refused_of_harmful"),
            ("harmless refused", "refused_of_harmless"),
            ("harmful flagged by the guard", "flagged_of_harmful"),
            ("harmless flagged by the guard", "flagged_of_harmless"),
            ("AUROC of the guard", "auroc"),
        )
    )
    sides += (("replies of nothing", str(found.before.empty), str(found.after.empty)),)
    changes = tuple(
        (name.replace("_", " "), shown(value, 3), MEANING[name]) for name, value in found.changes.items()
    )
    return Section(
        key="compare",
        title="Before and after",
        lead=LEAD,
        source="compare.json",
        sentences=(
            f"Before: {before}. After: {after}. Of {found.n} test prompts {found.moved['accepted']} were "
            f"refused and "
            f"are accepted now, {found.moved['refused']} the reverse.",
        ),
        key_of_lines=KEY,
        figures=(_by_slot(found),),
        listings=(
            Listing("Both checkpoints", ("on test prompts", "before", "after"), sides),
            Listing("What changed", ("change", "measured", "what it is"), changes),
        ),
        notes=found.notes,
    )


def _by_slot(found: Comparison) -> Figure:
    lines = [
        line
        for one in found.beliefs
        for line in (
            Line(f"{one.label}, before", one.before[1:], _COLOUR[one.label], "dash"),
            Line(f"{one.label}, after", one.after[1:], _COLOUR[one.label]),
        )
    ]
    ends = ", ".join(
        f"{one.label} {number(one.before[-1].value)} before and {number(one.after[-1].value)} after"
        for one in found.beliefs
    )
    return curves(
        "figure-compare",
        "Harmfulness belief by slot, before (dashed) and after",
        f"Line chart of the mean layer score of harmful and harmless prompts by slot, before and after, with "
        f"95 % intervals. At the last slot: {ends}.",
        range(1, len(found.beliefs[0].before)),
        lines,
        Frame("slot", "layer score at t_inst", 320, zero=True),
    )
