"""`latentguard calibrate`: another threshold for a fitted guard, cut on ordinary prompts of your own."""

from pathlib import Path
from typing import Annotated

import typer

from latentguard.cli import _data_options, _guard_options, _options
from latentguard.cli._folders import new_folder
from latentguard.cli._numbers import estimated
from latentguard.cli._output import speaking
from latentguard.cli.fit import WRITTEN


def calibrate(
    guard: _guard_options.Guard,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="FILE",
            help=f"Ordinary prompts, as your users write them: {_data_options.FORMATS}.",
        ),
    ],
    target_fpr: Annotated[
        float, typer.Option("--target-fpr", help="Share of them that may be flagged, between 0 and 1.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder for the guard. [default: its own, in place]"),
    ] = None,
    prompt_column: _data_options.PromptColumn = None,
    model: _guard_options.GuardsModel = None,
    transfer: _guard_options.Transfer = False,
    seed: _options.Seed = 0,
    device: _options.Device = "auto",
    dtype: _options.DtypeOption = _options.Dtype.auto,
    as_json: _options.Json = False,
) -> None:
    """Cut a fitted guard's threshold anew; nothing is fitted again.

    Prompts labelled harmful are left out. What the new threshold will flag of more such prompts is measured
    on halves. A server reads the guard again on SIGHUP.
    """
    if not 0 < target_fpr < 1:
        raise typer.BadParameter("it lies between 0 and 1.", param_hint="--target-fpr")
    place = out or guard
    with speaking(as_json=as_json) as output, new_folder(place, ours=WRITTEN) as folder:
        source = _data_options.read_source(data, output, prompt_column=prompt_column)
        fitted, loaded = _guard_options.load_guard(
            guard, output, model=model, transfer=transfer, device=device, dtype=dtype
        )
        _data_options.check_rendering(loaded, [source], output)
        made = fitted.calibrated(source.prompts, target_fpr=target_fpr, seed=seed, progress=output.bars)
        made.save(folder)
        cut = made.manifest.cut_on
        assert cut is not None
        output.record(cut.model_dump(mode="json") | {"threshold": made.manifest.calibration.threshold})
    now = made.manifest.calibration.threshold
    output.show(
        f"The threshold was {cut.before:.4g} and is {now:.4g}, cut on {cut.n} prompts; "
        f"of more such prompts it flags {estimated(cut.false_flags)}."
    )
    output.note(f"The guard is in {place}.")
