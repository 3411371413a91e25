"""A causal certificate in the terminal: what each edit turned, and what may be said of either belief."""

from typing import TYPE_CHECKING

from latentguard.cli._numbers import estimated
from latentguard.cli._output import Output, shown, table

if TYPE_CHECKING:
    from latentguard.causal import Certificate, Controls, Experiment


def show_certificate(found: "Certificate", output: Output) -> None:
    """Every experiment, the positions and the template where they were asked for, and the verdicts."""
    for one in found.experiments:
        _show_experiment(one, output)
    _show_positions(found, output)
    if (cut := found.template) is not None:
        output.show(
            f"harmful requests refused: {estimated(cut.whole)}; without the {cut.removed} tokens behind the "
            f"instruction {estimated(cut.cut)}, {cut.empty_when_cut} of the replies empty"
        )
    for what, why in found.skipped.items():
        output.show(shown(f"not measured: {what}: {why}"))
    verdicts = table("belief", "read (AUROC)", "verdict", "because")
    for verdict in found.verdicts:
        read = found.readable.get(verdict.belief)
        verdicts.add_row(verdict.belief, "-" if read is None else str(read), verdict.said, shown(verdict.why))
    output.show(verdicts)


def _show_positions(found: "Certificate", output: Output) -> None:
    if not found.positions:
        return
    rows = table("v_harm fitted at", "token", "block", "turned", "random: mean, worst", numbers=("block",))
    for one in found.positions:
        token, random = shown(repr(one.token)), _mean_and_worst(one.random)
        rows.add_row(one.position, token, str(one.block), estimated(one.turned), random)
    output.show(rows)


def _show_experiment(found: "Experiment", output: Output) -> None:
    asked = "" if found.question is None else f" ({found.question})"
    title = f"{found.task}{asked}: {found.competence.why}"
    whole = any(effect.generated is not None for effect in found.effects)
    rows = table(
        "added", "block, scale", "turned", "n", "unanswered: before, after", "random: mean, worst",
        "above random", "shuffled: same", "as drawn", "KL", *(("whole replies",) if whole else ()),
        title=title, numbers=("n", "KL"),
    )  # fmt: skip
    for effect in found.effects:
        rows.add_row(
            effect.named,
            f"{effect.block}, {abs(effect.scale):g}",
            estimated(effect.turned),
            str(effect.turned.n),
            f"{effect.before.unanswered}, {effect.after.unanswered}",
            _mean_and_worst(effect.random),
            estimated(None if effect.random is None else effect.random.above),
            _mean_and_worst(effect.shuffled),
            _mean_and_worst(effect.permuted),
            "-" if effect.price is None else f"{effect.price.kl:.2f}",
            *(() if not whole else (estimated(effect.generated),)),
        )
    output.show(rows)
    for effect in found.effects:
        if effect.random is not None and effect.after.words:
            output.show(f"Under {effect.named} answers begin: {effect.after.begun}.")
    for one in found.apart:
        output.show(
            f"{one.sign}{one.more} turns {estimated(one.difference)} more than {one.sign}{one.less} at block "
            f"{one.block}, scale {abs(one.scale):g}."
        )
    if found.replies:
        at_blocks = table("whole replies under", "block", "turned", numbers=("block",))
        for one in found.replies:
            at_blocks.add_row(f"{one.sign}{one.arm}", str(one.block), estimated(one.turned))
        output.show(at_blocks)


def _mean_and_worst(found: "Controls | None") -> str:
    return "-" if found is None else f"{_number(found.mean)}, {_number(found.worst)}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
