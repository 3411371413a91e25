"""`latentguard ablations [MODEL]`: a guard by the number of prompts it was fitted on, and slot by slot."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentguard.cli import _data_options, _options
from latentguard.cli._folders import new_folder
from latentguard.cli._numbers import estimated, whole_numbers
from latentguard.cli._output import Output, as_json_line, speaking, table
from latentguard.cli._plan import DryRun, show_plan
from latentguard.cli._work import work_folder

if TYPE_CHECKING:
    from latentguard.guard.ablations import Ablations

WRITTEN = frozenset({"ablations.json"})

Sizes = Annotated[str, typer.Option(metavar="N,N", help="Prompts a class, of which 30 % choose.")]
Draws = Annotated[int, typer.Option(min=1, help="Guards of each size, every one on prompts of its own draw.")]


def ablations(
    context: typer.Context,
    model: _options.Model = "organism",
    harmful: _data_options.Harmful = None,
    harmless: _data_options.Harmless = None,
    sizes: Sizes = "10,25,50,100,200",
    draws: Draws = 5,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for ablations.json.")] = Path(
        "latentguard-ablations"
    ),
    dry_run: DryRun = False,
    prompt_column: _data_options.PromptColumn = None,
    label_column: _data_options.LabelColumn = None,
    seed: _options.Seed = 0,
    device: _options.Device = "auto",
    dtype: _options.DtypeOption = _options.Dtype.auto,
    revision: _options.Revision = None,
    as_json: _options.Json = False,
) -> None:
    """How many prompts does a guard of this model need, and which slots? Nothing of the model is removed.

    Fitted on a part of --harmful and --harmless, or of the package's contrast set (the organism's own prompts
    for the organism), and measured on the rest.
    """
    wanted = whole_numbers(sizes, "--sizes", least=7, what="whole numbers from 7, as 10,25,50")
    with speaking(as_json=as_json) as output, ExitStack() as stack:
        folder = None if dry_run else stack.enter_context(new_folder(out, ours=WRITTEN))
        sources = _data_options.read_classes(
            harmful, harmless, output, prompt_column=prompt_column, label_column=label_column
        )
        given = None if sources is None else _data_options.audit_data(sources, output, seed=seed)
        loaded = _options.load_model(model, output, device=device, dtype=dtype, revision=revision)
        _data_options.check_rendering(loaded, sources or [], output, endings="balanced")
        from latentguard.data import Split
        from latentguard.guard.ablations import ablate, plan
        from latentguard.report import default_data

        data = given or default_data(loaded, seed=seed)
        parts = Split(data.split.train, data.split.validation, list(data.measured))
        if folder is None:
            show_plan(plan(loaded, parts), output)
            return
        work = stack.enter_context(work_folder(out, output))
        found = ablate(
            loaded,
            parts,
            sizes=wanted,
            draws=draws,
            fitted_on=data.name,
            command=_options.command_line(context),
            seed=seed,
            folder=work,
            progress=output.bars,
        )
        record = found.model_dump(mode="json")
        (folder / "ablations.json").write_text(as_json_line(record) + "\n", encoding="utf-8")
        output.record(record)
        _show(found, output)
    output.note(f"All of it is in {out / 'ablations.json'}.")


def _show(found: "Ablations", output: Output) -> None:
    output.show(
        f"On {found.fitted_on}: guards are drawn from {found.n_train + found.n_validation} prompts, slots "
        f"fitted on {found.n_train} of them, all measured on {found.n_test} others."
    )
    sizes = table("prompts a class", "guards", "AUROC", "worst", numbers=("prompts a class", "guards"))
    for row in found.sizes:
        worst = "-" if row.worst is None else f"{row.worst:.3f}"
        sizes.add_row(str(row.prompts), str(row.draws), estimated(row.auroc, digits=3), worst)
    output.show(sizes)
    if found.left_out:
        output.show(f"Too few prompts for {', '.join(map(str, found.left_out))} a class.")
    slots = table("slot", "AUROC of the belief there alone", numbers=("slot",))
    for row in found.slots:
        slots.add_row("all" if row.slot is None else str(row.slot), estimated(row.auroc, digits=3))
    output.show(slots)
