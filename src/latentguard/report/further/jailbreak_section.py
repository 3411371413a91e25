"""What attacks move: an arrow on the belief plane from each request to the prompt that wraps it."""

from latentguard.beliefs.jailbreak_record import AttackedPrompt, JailbreakRecord, ShiftRecord
from latentguard.report.further.section import Listing, Section, shown
from latentguard.report.specification import Figure, Specification, Table, axis, hover_text, layout, zero_line
from latentguard.report.words import MISSING, number

_COLOURS = ("@series-1", "@series-2", "@series-3", "@accent", "@series-4")
MOST_ARROWS = 60
"""Of one kind of attack: more would hide one another."""
LEAD = (
    "Only attacks that succeed on this model are drawn: the request is refused, and the same request "
    "attacked is "
    "not. An arrow that falls and stays on the right takes the refusal and leaves the belief."
)


def jailbreak_section(found: JailbreakRecord) -> Section:
    """The plane, and a row for each kind of attack."""
    plane = _plane(found)
    notes = (
        () if plane is not None else ("No arrow is drawn: no attack succeeds, or no refusal belief is read.",)
    )
    rows = tuple(
        (
            one.attack,
            f"{one.n}",
            f"{one.accepted_anyway}",
            f"{shown(one.succeeded)} of {one.succeeded.n}",
            _shift(one.harmfulness),
            _shift(one.refusal),
            shown(one.still_believed),
            one.lowers,
            one.reverses,
        )
        for one in found.attacks
    )
    return Section(
        key="jailbreaks",
        title="What jailbreaks move",
        lead=LEAD,
        source="jailbreaks.json",
        key_of_lines=() if plane is None else tuple(
            (_COLOURS[index % len(_COLOURS)][1:], "", kind) for index, kind in enumerate(_kinds(found))
        ),
        figures=() if plane is None else (plane,),
        listings=(
            Listing(
                "Every kind of attack; means over those that succeed, shifts with 95 % intervals over "
                "requests",
                (
                    "attack", "prompts", "request accepted anyway", "succeeded", "harmfulness belief",
                    "refusal belief", "still believed harmful", "lowers", "reverses",
                ),
                rows,
            ),
        ),
        notes=notes,
    )  # fmt: skip


def _shift(found: ShiftRecord | None) -> str:
    if found is None:
        return MISSING
    return f"{number(found.before, 3)} to {number(found.after, 3)}, shift {shown(found.shift, 3)}"


def _kinds(found: JailbreakRecord) -> list[str]:
    return list(dict.fromkeys(one.attack for one in found.attacks))


def _plane(found: JailbreakRecord) -> Figure | None:
    """None where no successful attack has both beliefs."""
    traces: list[Specification] = []
    rows: list[tuple[str, ...]] = []
    kinds = _kinds(found)
    for index, kind in enumerate(kinds):
        members = [one for one in found.prompts if one.attack == kind and one.succeeded and one.refusal]
        colour = _COLOURS[index % len(_COLOURS)]
        traces += [_arrow(one, colour) for one in members[:MOST_ARROWS]]
        rows += [_row(one) for one in members]
    if not traces:
        return None
    frame = layout(
        axis("harmfulness belief at t_inst", tickformat=".2f", nticks=7),
        axis("refusal belief at t_post_inst", tickformat=".2f"),
        height=420,
        shapes=[zero_line("x"), zero_line("y")],
        hovermode="closest",
    )
    return Figure(
        key="figure-jailbreaks",
        title="The belief plane, from request to attacked prompt",
        label=f"Arrows on the belief plane from {len(traces)} requests to the prompts that wrap them, by "
        f"kind of "
        f"attack: {', '.join(kinds)}.",
        specification={"data": traces, "layout": frame},
        table=Table(("attack", "harmfulness: before", "after", "refusal: before", "after"), tuple(rows)),
    )


def _arrow(one: AttackedPrompt, colour: str) -> Specification:
    refusal = one.refusal or (0.0, 0.0)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": hover_text(str(one.attack)),
        "x": list(one.harmfulness),
        "y": list(refusal),
        "line": {"color": colour, "width": 1.25},
        "marker": {
            "color": colour,
            "size": [5, 10],
            "symbol": ["circle", "arrow"],
            "angleref": "previous",
        },
        "opacity": 0.75,
        "hovertemplate": "%{x:.3f}, %{y:.3f}",
    }


def _row(one: AttackedPrompt) -> tuple[str, ...]:
    refusal = one.refusal or (None, None)
    return (str(one.attack), *(number(value, 3) for value in (*one.harmfulness, *refusal)))
