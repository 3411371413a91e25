"""`latentguard reproduce harmfulness [MODEL]`: what the paper reports beside what is measured here."""

from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentguard._paths import BUNDLED
from latentguard.cli import _options
from latentguard.cli._folders import new_folder
from latentguard.cli._numbers import estimated
from latentguard.cli._output import Output, as_json_line, shown, speaking, table
from latentguard.cli._plan import DryRun, show_plan
from latentguard.cli._work import work_folder

if TYPE_CHECKING:
    from latentguard.statistics import Estimate
    from latentguard.verify.reproduction import Reproduction, Row, Variant

WRITTEN = frozenset({"reproduction.json"})
reproduce_commands = typer.Typer(help="A paper's experiments on your model, beside what the paper reports.")

DataFolder = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder with advbench.jsonl, alpaca_sample.jsonl and, where they are at hand, harmbench, "
        "strongreject, or_bench_hard, phtest_harmless, alpaca_eval, gcg_suffixes, gptfuzz_templates and "
        "catqa.jsonl. The organism brings its own prompts.",
    ),
]


class BudgetChoice(StrEnum):
    """How much is run."""

    quick = "quick"
    full = "full"


BudgetOption = Annotated[
    BudgetChoice,
    typer.Option(
        "--budget", help="full: every block, scale, wording and position, categories, more prompts."
    ),
]


@reproduce_commands.callback()
def reproduce() -> None:
    """A paper's experiments on your model, beside what the paper reports."""


@reproduce_commands.command()
def harmfulness(
    context: typer.Context,
    model: _options.Model = "organism",
    data: DataFolder = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for reproduction.json.")] = Path(
        "latentguard-reproduction"
    ),
    budget: BudgetOption = BudgetChoice.quick,
    dry_run: DryRun = False,
    seed: _options.Seed = 0,
    device: _options.Device = "auto",
    dtype: _options.DtypeOption = _options.Dtype.auto,
    revision: _options.Revision = None,
    as_json: _options.Json = False,
) -> None:
    """Zhao et al. 2025, LLMs Encode Harmfulness and Refusal Separately: every experiment the data allow.

    With endings as written, as the paper fits, and balanced; at the proved t_inst, and where the authors'
    extractor read. A call that was stopped goes on where it was.
    """
    with speaking(as_json=as_json) as output, ExitStack() as stack:
        if data is None and model not in BUNDLED:
            raise typer.BadParameter(
                "a model of your own is measured on public prompts: name the folder that holds them.",
                param_hint="--data",
            )
        folder = None if dry_run else stack.enter_context(new_folder(out, ours=WRITTEN))
        from latentguard.verify import reproduction

        material = None if data is None else reproduction.of_folder(data, budget=budget.value, seed=seed)
        loaded = _options.load_model(model, output, device=device, dtype=dtype, revision=revision)
        material = material or reproduction.of_organism(loaded, budget=budget.value, seed=seed)
        if folder is None:
            show_plan(reproduction.plan(loaded, material, budget.value, seed=seed), output)
            return
        found = reproduction.reproduce(
            loaded,
            material,
            budget=budget.value,
            seed=seed,
            folder=stack.enter_context(work_folder(out, output)),
            command=_options.command_line(context),
            progress=output.bars,
        )
        (folder / "reproduction.json").write_text(
            as_json_line(found.model_dump(mode="json")) + "\n", encoding="utf-8"
        )
        output.record(found.model_dump(mode="json"))
        _show(found, output)
    output.note(f"Every number, with its interval, is in {out / 'reproduction.json'}.")


def _show(found: "Reproduction", output: Output) -> None:
    from latentguard.verify.reproduction import MEANING, VARIANTS

    output.show(
        f"{found.paper}, on {found.model.name}: {found.data}. Fitting prompts: "
        + ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in found.behaviour.items() if count)
        + "."
    )
    for note in found.notes:
        output.show(shown(note))
    output.show("\n".join(f"{name.replace('_', ' ')}: {MEANING[name]}" for name in VARIANTS))
    by_experiment: dict[str, list[Row]] = {}
    for row in found.rows:
        if row.skipped is None:
            by_experiment.setdefault(row.experiment, []).append(row)
    for name, members in by_experiment.items():
        columns: list[Variant] = [one for one in VARIANTS if any(one in row.measured for row in members)]
        rows = table(
            "", "paper", *(one.replace("_", " ") for one in columns), "n", title=name, numbers=("n",)
        )
        for row in members:
            rows.add_row(
                shown(f"{row.what} ({row.note})" if row.note else row.what),
                shown(", ".join(f"{model} {value}" for model, value in row.paper.items())),
                *(_measured(row.measured.get(one)) for one in columns),
                str(max(one.n for one in row.measured.values())),
            )
        output.show(rows)
    for row in found.rows:
        if row.skipped is not None:
            output.show(shown(f"not measured: {row.experiment}, {row.what}: {row.skipped}"))
    moved = found.moved_by_endings()
    if moved:
        changes = "; ".join(f"{row.what} {change:+.2f}" for row, change in moved)
        output.show(shown(f"What balanced endings change most: {changes}."))


def _measured(found: "Estimate | None") -> str:
    """Small values with a digit more: costs in nats and KL stand in the same table as shares."""
    small = found is not None and found.value is not None and 0 < abs(found.value) < 0.1
    return estimated(found, digits=3 if small else 2)
