"""`latentguard evaluate`: a fitted guard on labelled prompts, beside what would do as well without it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from latentguard.cli import _data_options, _guard_options, _options
from latentguard.cli._data_options import Source
from latentguard.cli._output import Output, shown, speaking, table
from latentguard.errors import TooFewPrompts

if TYPE_CHECKING:
    from latentguard.guard import Evaluation

Data = Annotated[
    list[str], typer.Option("--data", metavar="FILE...", help=f"Labelled prompts: {_data_options.FORMATS}.")
]
Replies = Annotated[
    bool,
    typer.Option("--replies", help="Let the model reply too, and measure apart what it accepts and refuses."),
]
MEASURES = ("AUROC", "accuracy", "TPR at 1 % FPR", "TPR at 5 % FPR", "calibration error", "guard minus this")
COUNTS = ("harmful", "harmless", "flagged of harmful", "flagged of harmless")


def evaluate(
    guard: _guard_options.Guard,
    data: Data,
    replies: Replies = False,
    prompt_column: _data_options.PromptColumn = None,
    label_column: _data_options.LabelColumn = None,
    model: _guard_options.GuardsModel = None,
    transfer: _guard_options.Transfer = False,
    seed: _options.Seed = 0,
    device: _options.Device = "auto",
    dtype: _options.DtypeOption = _options.Dtype.auto,
    as_json: _options.Json = False,
) -> None:
    """Measure a guard on labelled prompts, beside its baselines and untrained copies of its model.

    Prompts that the guard was fitted on are left out and counted.
    """
    with speaking(as_json=as_json) as output:
        sources = [
            _data_options.labelled(
                _data_options.read_source(
                    name, output, prompt_column=prompt_column, label_column=label_column
                )
            )
            for name in data
        ]
        _check_both_classes(sources)
        fitted, loaded = _guard_options.load_guard(
            guard, output, model=model, transfer=transfer, device=device, dtype=dtype
        )
        _data_options.check_rendering(loaded, sources, output)
        from latentguard.beliefs import observe

        prompts = _data_options.prompts_of(sources)
        behaviour = observe(loaded, prompts, progress=output.bars) if replies else None
        found = fitted.evaluate(prompts, behaviour=behaviour, seed=seed, progress=output.bars)
        output.record(found.model_dump(mode="json"))
        _show(found, output)


def _check_both_classes(sources: Sequence[Source]) -> None:
    present = {prompt.label for prompt in _data_options.prompts_of(sources)} - {None}
    with _data_options.naming(sources):
        if len(present) == 1:
            raise TooFewPrompts(
                f"an evaluation needs both classes, and every labelled prompt is {present.pop()}.\n"
                "  Give labelled prompts of both classes."
            )


def _show(found: "Evaluation", output: Output) -> None:
    output.show(f"{found.n_harmful} harmful and {found.n_harmless} harmless prompts, 95 % intervals")
    for count, why in (
        (found.left_out_seen, "the guard was fitted on them"),
        (found.left_out_unlabelled, "they have no label"),
    ):
        if count:
            output.show(f"{count} prompts left out: {why}")
    _show_measures(found, output)
    if found.rows:
        _show_rows(found, output)
    if found.categories:
        kinds = table(
            "kind of harm", "n", "AUROC of its score", "among harmful prompts", "highest of all kinds",
            numbers=("n",),
        )  # fmt: skip
        for row in found.categories:
            kinds.add_row(shown(row.name), str(row.n), str(row.auroc), str(row.among_harmful), str(row.first))
        output.show(kinds)
    output.show(found.statement)


def _show_measures(found: "Evaluation", output: Output) -> None:
    measures = table("", *MEASURES)
    for one in (found.guard, *found.baselines):
        name = one.name.replace("_", " ")
        if one.unavailable is not None:
            measures.add_row(name, "unavailable")
            continue
        values: Sequence[object] = (
            one.auroc,
            one.accuracy,
            one.tpr_at_1_fpr,
            one.tpr_at_5_fpr,
            one.calibration_error,
            "" if one.difference is None else one.difference,
        )
        measures.add_row(name, *map(str, values))
    output.show(measures)
    for one in (found.guard, *found.baselines):
        if one.unavailable is not None:  # a sentence, which a narrow cell would make a column of words
            output.show(shown(f"{one.name.replace('_', ' ')} unavailable: {one.unavailable}"))


def _show_rows(found: "Evaluation", output: Output) -> None:
    rows = table("", "", *COUNTS, "AUROC", "against", numbers=COUNTS)
    for row in found.rows:
        rows.add_row(
            row.kind,
            shown(row.name, limit=40),
            str(row.n_harmful),
            str(row.n_harmless),
            str(row.true_positive_rate),
            str(row.false_positive_rate),
            str(row.auroc),
            row.against,
        )
    output.show(rows)
