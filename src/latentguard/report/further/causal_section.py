"""Does what is read move the model? Verdicts, what turns at every block, and the controls beside it."""

from collections.abc import Sequence

from latentguard.causal import Certificate, Controls, Curve, Effect, Experiment
from latentguard.causal.pair import HARM, REFUSAL
from latentguard.report.further.curves import Frame, Line, curves
from latentguard.report.further.heat import heat_map
from latentguard.report.further.section import Listing, Section, shown
from latentguard.report.specification import Figure
from latentguard.report.words import MISSING, number
from latentguard.statistics import wilson

TASKS = {"inversion": "Reply inversion", "refusal": "Direct requests"}
_COLOUR = {HARM: "@refused-harmful", REFUSAL: "@accent"}
_SIGN = {"+": "+", "-": "−"}
KEY = (
    ("refused-harmful", "", "v_harm added"),
    ("accent", "", "v_refuse added"),
    ("ink-soft", "6 4", "dashed: the reverse added"),
)
LEAD = (
    "A belief that can be read need not be used. Here each direction is added to the states at every "
    "block, and "
    "answers that turn are counted, beside random directions of equal length and directions of shuffled "
    "labels. "
    "Blocks and scales are chosen on one half of the prompts and reported on the other."
)


def causal_section(found: Certificate) -> Section:
    """Everything of a certificate."""
    figures: list[Figure] = []
    listings = [
        Listing(
            "What may be said of either belief",
            ("belief", "read (AUROC)", "verdict", "because"),
            tuple(
                (one.belief, shown(found.readable.get(one.belief)), one.said, one.why)
                for one in found.verdicts
            ),
        )
    ]
    notes: list[str] = []
    for index, run in enumerate(found.experiments):
        if not run.competence.competent:
            notes.append(f"{_titled(run)}: {run.competence.why}")
            continue
        figures += _figures(run, index)
        listings.append(_effects(run))
        if run.apart:
            listings.append(_apart(run))
    if found.positions:
        listings.append(
            Listing(
                "The harmfulness direction fitted at each token around the end of the instruction",
                ("fitted at", "token", "block", "harmless answers turned", "random: mean, worst"),
                tuple(
                    (
                        one.position,
                        repr(one.token) if one.token else "",
                        str(one.block),
                        shown(one.turned),
                        _controls(one.random),
                    )
                    for one in found.positions
                ),
            )
        )
    if (cut := found.template) is not None:
        notes.append(
            f"Harmful requests refused: {shown(cut.whole)}; without the {cut.removed} tokens of the "
            f"template behind "
            f"the instruction {shown(cut.cut)}."
        )
    notes += [f"Not measured: {what}: {why.rstrip('.')}." for what, why in found.skipped.items()]
    return Section(
        key="causal",
        title="Do the beliefs move the model?",
        lead=LEAD,
        source="causal.json",
        key_of_lines=KEY if figures else (),
        figures=tuple(figures),
        listings=tuple(listings),
        notes=tuple(notes),
    )


def _titled(run: Experiment) -> str:
    return TASKS[run.task] + (f", “{run.question}”" if run.question else "")


def _figures(run: Experiment, index: int) -> list[Figure]:
    drawn = [one for one in run.curves if one.half == "selection" and abs(one.scale) == 1.0]
    if not drawn:
        return []
    blocks = drawn[0].blocks
    n = max(one.n for one in drawn)
    title = f"{_titled(run)}: share turned by block, of the {n} prompts that places are chosen on"
    most = max(drawn, key=lambda one: max(one.turned))
    peak = f"{_name(most)} turns most, {number(max(most.turned))} at block {_best(most)}"
    return [
        heat_map(
            f"figure-turned-{index}",
            title,
            f"Heat map of the share of answers that turn, {len(drawn)} directions by {len(blocks)} blocks; "
            f"{peak}.",
            [_name(one) for one in drawn],
            [str(block) for block in blocks],
            [one.turned for one in drawn],
            across="block",
            what="turned",
        ),
        _curves(f"figure-curves-{index}", f"{title}, with intervals", drawn, peak),
    ]


def _curves(key: str, title: str, drawn: Sequence[Curve], peak: str) -> Figure:
    return curves(
        key,
        title,
        f"Line chart of the share of answers that turn at every block, with 95 % intervals; {peak}.",
        drawn[0].blocks,
        [
            Line(
                _name(one),
                tuple(wilson(round(value * one.n), one.n) for value in one.turned),
                _COLOUR.get(one.arm, "@series-4"),
                "solid" if one.sign == "+" else "dash",
                column=f"{_name(one)} (n = {one.n})",
            )
            for one in drawn
        ],
        Frame("block", "share turned", 300, whole=True, digits=2, intervals=False),
    )


def _name(curve: Curve) -> str:
    return f"{_SIGN[curve.sign]}{curve.arm}"


def _best(curve: Curve) -> int:
    return curve.blocks[max(range(len(curve.blocks)), key=lambda index: curve.turned[index])]


def _effects(run: Experiment) -> Listing:
    return Listing(
        f"{_titled(run)}: on {run.reported_on} prompts that nothing was chosen on ({run.competence.why})",
        (
            "added",
            "block, scale",
            "turned",
            "n",
            "unanswered: before, after",
            "answers begin",
            "random: mean, worst",
            "above random",
            "shuffled: mean, worst",
            "as drawn: mean, worst",
            "KL",
            "whole replies",
        ),
        tuple(_effect_row(one) for one in run.effects),
    )


def _apart(run: Experiment) -> Listing:
    return Listing(
        f"{_titled(run)}: two directions at one place, on the same prompts",
        ("more is turned by", "than by", "block, scale", "difference"),
        tuple(
            (
                f"{_SIGN[one.sign]}{one.more}",
                f"{_SIGN[one.sign]}{one.less}",
                f"{one.block}, {abs(one.scale):g}",
                shown(one.difference),
            )
            for one in run.apart
        ),
    )


def _effect_row(one: Effect) -> tuple[str, ...]:
    return (
        one.named.replace("-", _SIGN["-"], 1) if one.sign == "-" else one.named,
        f"{one.block}, {abs(one.scale):g}",
        shown(one.turned),
        str(one.turned.n),
        f"{one.before.unanswered}, {one.after.unanswered}",
        one.after.begun or MISSING,
        _controls(one.random),
        MISSING if one.random is None else shown(one.random.above),
        _controls(one.shuffled),
        _controls(one.permuted),
        MISSING if one.price is None else number(one.price.kl),
        shown(one.generated),
    )


def _controls(found: Controls | None) -> str:
    return MISSING if found is None else f"{number(found.mean)}, {number(found.worst)}"
