"""`latentguard compare BEFORE AFTER`: what fine-tuning did to behaviour, and what to belief."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentguard.cli import _data_options, _options
from latentguard.cli._errors import CHECK_FAILED
from latentguard.cli._folders import new_folder
from latentguard.cli._numbers import estimated
from latentguard.cli._output import Output, as_json_line, shown, speaking, table
from latentguard.cli._plan import DryRun, show_plan
from latentguard.cli._work import work_folder

if TYPE_CHECKING:
    from latentguard.compare import Comparison

WRITTEN = frozenset({"compare.json"})

Before = Annotated[
    str, typer.Argument(metavar="BEFORE", help="A hub id, a folder, a GGUF file, or 'organism'.")
]
After = Annotated[
    str, typer.Argument(metavar="AFTER", help="The same, or the folder of a PEFT adapter for BEFORE.")
]
FailIf = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-if",
        metavar="CONDITION",
        help="Exit 1 where it holds, as 'belief_drop>0.05' or 'auroc_drop.high>=0.1'; may be repeated.",
    ),
]


def compare(
    context: typer.Context,
    before: Before,
    after: After,
    harmful: _data_options.Harmful = None,
    harmless: _data_options.Harmless = None,
    fail_if: FailIf = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for compare.json.")] = Path(
        "latentguard-compare"
    ),
    dry_run: DryRun = False,
    prompt_column: _data_options.PromptColumn = None,
    label_column: _data_options.LabelColumn = None,
    seed: _options.Seed = 0,
    device: _options.Device = "auto",
    dtype: _options.DtypeOption = _options.Dtype.auto,
    as_json: _options.Json = False,
) -> None:
    """Two checkpoints of one model: was the belief touched, or only the behaviour?

    Centroids and a guard are fitted on BEFORE and applied to both. Exits 1 where a --fail-if holds.
    """
    with speaking(as_json=as_json) as output:
        from latentguard.compare import Condition

        conditions = [Condition.of(text) for text in fail_if or ()]
        with ExitStack() as stack:
            folder = None if dry_run else stack.enter_context(new_folder(out, ours=WRITTEN))
            sources = _data_options.read_classes(
                harmful, harmless, output, prompt_column=prompt_column, label_column=label_column
            )
            given = None if sources is None else _data_options.audit_data(sources, output, seed=seed)
            first = _options.load_model(before, output, device=device, dtype=dtype, revision=None)
            second = _options.load_model(
                after, output, device=device, dtype=dtype, revision=None, base=before
            )
            from latentguard import report
            from latentguard.compare import compare as compared
            from latentguard.compare import plan

            data = given or report.default_data(first, seed=seed)
            _data_options.check_rendering(first, sources or [], output, endings="balanced")
            if folder is None:
                show_plan(plan(first, data.split), output)
                return
            work = stack.enter_context(work_folder(out, output))
            found = compared(
                first,
                second,
                data.split,
                command=_options.command_line(context),
                seed=seed,
                folder=work,
                progress=output.bars,
            )
            (folder / "compare.json").write_text(
                as_json_line(found.model_dump(mode="json")) + "\n", encoding="utf-8"
            )
        output.record(found.model_dump(mode="json"))
        _show(found, output)
        failed = [one for one in conditions if one.holds(found)]
        for one in failed:
            output.note(f"FAILED {one.described(found)}")
    if failed:
        raise typer.Exit(CHECK_FAILED)


def _show(found: "Comparison", output: Output) -> None:
    from latentguard.compare import MEANING

    sides = table("on test prompts", found.before.model.name, found.after.model.name)
    for name, field in (
        ("harmful refused", "refused_of_harmful"),
        ("harmless refused", "refused_of_harmless"),
        ("harmful flagged by the guard", "flagged_of_harmful"),
        ("harmless flagged by the guard", "flagged_of_harmless"),
        ("AUROC of the guard", "auroc"),
    ):
        sides.add_row(
            name, *(estimated(getattr(side, field), digits=3) for side in (found.before, found.after))
        )
    sides.add_row("replies of nothing", str(found.before.empty), str(found.after.empty))
    output.show(sides)
    changes = table("change", "measured", "what it is")
    for name, value in found.changes.items():
        changes.add_row(name, estimated(value, digits=3), MEANING[name])
    output.show(changes)
    output.show(
        f"{found.moved['accepted']} of {found.n} prompts were refused and are accepted now, "
        f"{found.moved['refused']} the reverse."
    )
    for note in found.notes:
        output.show(shown(note))
