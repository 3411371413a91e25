"""A causal certificate in the terminal: what each edit turned, and what may be said of either belief."""

from typing import TYPE_CHECKING

from latentguard.cli._output import Output, shown, table

if TYPE_CHECKING:
    from latentguard.causal import Certificate, Controls, Experiment
    from latentguard.statistics import Estimate


def show_certificate(found: "Certificate", output: Output) -> None:
    """Every experiment, the positions and the template where they were asked for, and the verdicts."""
    for one in found.experiments:
        _show_experiment(one, output)
    _show_positions(found, output)
    if (cut := found.template) is not None:
        output.show(
            f"harmful requests refused: {_short(cut.whole)}; without the {cut.removed} tokens behind the "
            f"instruction {_short(cut.cut)}, {cut.empty_when_cut} of the replies empty"
        )
    verdicts = table("belief", "read (AUROC)", "verdict", "because")
    for verdict in found.verdicts:
        read = found.readable.get(verdict.belief)
        verdicts.add_row(verdict.belief, "-" if read is None else str(read), verdict.said, shown(verdict.why))
    output.show(verdicts)


def _show_positions(found: "Certificate", output: Output) -> None:
    if not found.positions:
        return
    rows = table("v_harm fitted at", "token", "block", "turned", numbers=("block",))
    for one in found.positions:
        rows.add_row(one.position, shown(repr(one.token)), str(one.block), _short(one.turned))
    output.show(rows)


def _show_experiment(found: "Experiment", output: Output) -> None:
    asked = "" if found.question is None else f" ({found.question})"
    title = f"{found.task}{asked}: {found.competence.why}"
    whole = any(effect.generated is not None for effect in found.effects)
    rows = table(
        "added", "block", "scale", "turned", "random: mean, worst", "above random", "shuffled: same", "KL",
        *(("whole replies",) if whole else ()), title=title, numbers=("block", "scale", "KL"),
    )  # fmt: skip
    for effect in found.effects:
        rows.add_row(
            f"{effect.sign}{effect.arm}",
            str(effect.block),
            f"{abs(effect.scale):g}",
            _short(effect.turned),
            _mean_and_worst(effect.random),
            "-" if effect.random is None else _short(effect.random.above),
            _mean_and_worst(effect.shuffled),
            "-" if effect.price is None else f"{effect.price.kl:.2f}",
            *(() if not whole else ("-" if effect.generated is None else _short(effect.generated),)),
        )
    output.show(rows)
    if found.replies:
        at_blocks = table("whole replies under", "block", "turned", numbers=("block",))
        for one in found.replies:
            at_blocks.add_row(f"{one.sign}{one.arm}", str(one.block), _short(one.turned))
        output.show(at_blocks)


def _short(found: "Estimate") -> str:
    if found.value is None or found.low is None or found.high is None:
        return "-"
    return f"{found.value:.2f} ({found.low:.2f}-{found.high:.2f})"


def _mean_and_worst(found: "Controls | None") -> str:
    return "-" if found is None else f"{_number(found.mean)}, {_number(found.worst)}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
