"""Before and after fine-tuning: belief by slot of both checkpoints, and every change with its interval."""

from latentguard.compare import MEANING, Comparison
from latentguard.report.further.section import Listing, Section, shown
from latentguard.report.specification import Figure, Specification, Table, axis, layout, zero_line
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
    traces: list[Specification] = []
    slots = list(range(1, len(found.beliefs[0].before)))
    for one in found.beliefs:
        for side, dash in (("before", "dash"), ("after", "solid")):
            values = one.before if side == "before" else one.after
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "name": f"{one.label}, {side}",
                    "x": slots,
                    "y": list(values[1:]),
                    "line": {"color": _COLOUR[one.label], "width": 2.25, "dash": dash},
                    "hovertemplate": "%{y:.3f}",
                }
            )
    ends = ", ".join(
        f"{one.label} {number(one.before[-1])} before and {number(one.after[-1])} after"
        for one in found.beliefs
    )
    headers = ("slot", *(f"{one.label}, {side}" for one in found.beliefs for side in ("before", "after")))
    rows = tuple(
        (str(slot), *(number(side[slot], 3) for one in found.beliefs for side in (one.before, one.after)))
        for slot in slots
    )
    return Figure(
        key="figure-compare",
        title="Harmfulness belief by slot, before (dashed) and after",
        label=f"Line chart of the mean layer score of harmful and harmless prompts by slot, before and "
        f"after. "
        f"At the last slot: {ends}.",
        specification={
            "data": traces,
            "layout": layout(
                axis("slot", tickformat="d"),
                axis("layer score at t_inst", tickformat=".2f"),
                height=320,
                shapes=[zero_line("y")],
                hovermode="x unified",
            ),
        },
        table=Table(headers, rows),
    )
