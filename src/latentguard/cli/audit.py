"""`latentguard audit [MODEL]`: the report of one checkpoint."""

from pathlib import Path
from typing import Annotated

import typer

from latentguard.cli import _data_options, _options
from latentguard.cli._folders import new_folder
from latentguard.cli._output import speaking

WRITTEN = frozenset({"report.html", "audit.json", "guard"})


def audit(
    context: typer.Context,
    model: _options.Model = "organism",
    harmful: _data_options.Harmful = None,
    harmless: _data_options.Harmless = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for report.html, audit.json and guard/.")
    ] = Path("latentguard-audit"),
    prompt_column: _data_options.PromptColumn = None,
    label_column: _data_options.LabelColumn = None,
    seed: _options.Seed = 0,
    device: _options.Device = "auto",
    dtype: _options.DtypeOption = _options.Dtype.auto,
    revision: _options.Revision = None,
    as_json: _options.Json = False,
) -> None:
    """Report of a checkpoint: behaviour, beliefs, directions, and a guard beside its baselines.

    Without files the prompts are the package's own matched pairs, or the organism's for the organism.
    """
    with speaking(as_json=as_json) as output, new_folder(out, ours=WRITTEN) as folder:
        sources = _data_options.read_classes(
            harmful, harmless, output, prompt_column=prompt_column, label_column=label_column
        )
        given = None if sources is None else _data_options.audit_data(sources, output, seed=seed)
        loaded = _options.load_model(model, output, device=device, dtype=dtype, revision=revision)
        output.bars(_data_options.PREPARING, 0, 0)
        from latentguard import report

        data = given or report.default_data(loaded, seed=seed)
        output.bars(_data_options.PREPARING, 1, 1)
        _data_options.check_rendering(loaded, sources or [], output, endings="balanced")
        command = _options.command_line(context)
        found, guard = report.audit(loaded, data, seed=seed, command=command, progress=output.bars)
        output.bars("writing the report", 0, 0)
        report.write_report(found, folder)
        guard.save(folder / "guard")
        output.record(found.model_dump(mode="json"))
        output.show(report.summary(found))
    output.note(f"The report is in {out / 'report.html'}, the fitted guard in {out / 'guard'}.")
