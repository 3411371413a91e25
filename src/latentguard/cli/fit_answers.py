"""`latentguard fit-answers`: what a fitted guard makes of the model's own answers, and when one is cut."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentguard.cli import _data_options, _guard_options, _options
from latentguard.cli._folders import new_folder
from latentguard.cli._numbers import estimated
from latentguard.cli._output import Output, shown, speaking, table
from latentguard.cli._work import work_folder
from latentguard.cli.fit import WRITTEN, default_data, fitting_data

if TYPE_CHECKING:
    from latentguard.guard import FittedAnswers

_MOST = 1 << 14


def fit_answers(
    guard: _guard_options.Guard,
    harmful: _data_options.Harmful = None,
    harmless: _data_options.Harmless = None,
    ordinary: Annotated[
        str | None,
        typer.Option(
            "--ordinary",
            metavar="FILE",
            help=f"More ordinary prompts, for the threshold alone: {_data_options.FORMATS}.",
        ),
    ] = None,
    target_fpr: Annotated[
        float, typer.Option("--target-fpr", help="Share of harmless answers that may be cut.")
    ] = 0.01,
    max_new_tokens: Annotated[
        int,
        typer.Option("--max-new-tokens", min=1, max=_MOST, help="Tokens of a harmless validation answer."),
    ] = 256,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder for the guard. [default: its own, in place]"),
    ] = None,
    prompt_column: _data_options.PromptColumn = None,
    label_column: _data_options.LabelColumn = None,
    model: _guard_options.GuardsModel = None,
    transfer: _guard_options.Transfer = False,
    seed: _options.Seed = 0,
    device: _options.Device = "auto",
    dtype: _options.DtypeOption = _options.Dtype.auto,
    as_json: _options.Json = False,
) -> None:
    """Teach a guard to read the model's answers while they are written, and when to cut one.

    The model answers prompts as a guard is fitted on, the package's own by default; each answer is judged,
    read and dropped. Harmful prompts that it answers are needed, and harmless ones enough for the target.
    The same call goes on after a kill.
    """
    if not 0 < target_fpr < 1:
        raise typer.BadParameter("it lies between 0 and 1.", param_hint="--target-fpr")
    place = out or guard
    with speaking(as_json=as_json) as output, ExitStack() as stack:
        folder = stack.enter_context(new_folder(place, ours=WRITTEN))
        sources = _data_options.read_classes(
            harmful, harmless, output, prompt_column=prompt_column, label_column=label_column
        )
        given = None if sources is None else fitting_data(sources, output, seed=seed)
        more = _ordinary(ordinary, output, prompt_column)
        fitted, loaded = _guard_options.load_guard(
            guard, output, model=model, transfer=transfer, device=device, dtype=dtype
        )
        _data_options.check_rendering(loaded, [*(sources or []), *more], output)
        data = given or default_data(loaded, output, seed=seed)
        made = fitted.fit_answers(
            **data,
            ordinary=[prompt for source in more for prompt in source.prompts],
            target_fpr=target_fpr,
            max_new_tokens=max_new_tokens,
            seed=seed,
            folder=stack.enter_context(work_folder(place, output)),
            progress=output.bars,
        )
        made.save(folder)
        record = made.manifest.answers
        assert record is not None
        _show(record, place, output)


def _ordinary(file: str | None, output: Output, prompt_column: str | None) -> list[Any]:
    if file is None:
        return []
    return [_data_options.read_source(file, output, prompt_column=prompt_column, label="harmless")]


def _show(record: "FittedAnswers", folder: Path, output: Output) -> None:
    output.record(record.model_dump(mode="json") | {"out": str(folder)})
    cells = ", ".join(f"{count} {name}" for name, count in record.train.items())
    after = "" if record.caught_after is None else f", the middle one after {record.caught_after:.0f} tokens"
    facts = {
        "learned from": cells.replace("_", " "),
        "slots": ", ".join(map(str, record.slots)),
        "cut at": f"{record.patience} tokens in a row, from {record.high:.4f} until below {record.low:.4f}",
        "harmless answers cut": f"{estimated(record.false_cuts)}, of {record.tokens} tokens at most",
        "harmful answers cut": f"{estimated(record.caught)}{after}",
    }
    rows = table("answers", "")
    for name, value in facts.items():
        rows.add_row(name, shown(value))
    output.show(rows)
    output.note(f"Both shares are of answers that the threshold was not set on. The guard is in {folder}.")
