"""`latentguard jailbreaks [MODEL]`: what attacks move, the belief, the refusal, both or neither."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentguard.cli import _data_options, _options
from latentguard.cli._folders import new_folder
from latentguard.cli._output import Output, as_json_line, shown, speaking, table
from latentguard.cli._plan import DryRun, show_plan
from latentguard.cli._work import work_folder

if TYPE_CHECKING:
    from latentguard.beliefs import Jailbroken, Shift
    from latentguard.data import Prompt
    from latentguard.lm import LanguageModel

WRITTEN = frozenset({"jailbreaks.json"})

Base = Annotated[
    list[str],
    typer.Option("--base", metavar="FILE...", help="Requests, each with an id: what was attacked."),
]
Attacked = Annotated[
    list[str],
    typer.Option(
        "--attacked", metavar="FILE...", help="Attacked prompts with 'attack' and the 'base_id' of a request."
    ),
]


def jailbreaks(
    base: Base,
    attacked: Attacked,
    model: _options.Model = "organism",
    harmful: _data_options.Harmful = None,
    harmless: _data_options.Harmless = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for jailbreaks.json.")] = Path(
        "latentguard-jailbreaks"
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
    """Both beliefs of requests and of the same requests attacked, where the attack succeeds on this model.

    Beliefs are fitted on --harmful and --harmless, or on the model's default prompts; relatives of what is
    attacked are left out of the fit. Replies are judged, counted and dropped.
    """
    with speaking(as_json=as_json) as output, ExitStack() as stack:
        folder = None if dry_run else stack.enter_context(new_folder(out, ours=WRITTEN))
        from latentguard.beliefs.jailbreaks import paired, plan

        read = [_data_options.read_source(name, output, prompt_column=prompt_column) for name in base]
        wrapped = [_data_options.read_source(name, output, prompt_column=prompt_column) for name in attacked]
        requests, attacks = _data_options.prompts_of(read), _data_options.prompts_of(wrapped)
        paired(attacks, requests)
        sources = _data_options.read_classes(
            harmful, harmless, output, prompt_column=prompt_column, label_column=label_column
        )
        loaded = _options.load_model(model, output, device=device, dtype=dtype, revision=revision)
        _data_options.check_rendering(loaded, [*read, *wrapped], output)
        from latentguard import beliefs
        from latentguard.beliefs.jailbreak_record import jailbreak_record

        fitting, left_out = _fitting(loaded, sources, requests, attacks, output, seed=seed)
        if folder is None:
            show_plan(plan(loaded, fitting, attacks, requests), output)
            return
        work = stack.enter_context(work_folder(out, output))
        with loaded.remembering(work / "states"):
            seen = beliefs.observe(loaded, fitting, folder=work, progress=output.bars)
            reading = beliefs.fit_reading(loaded, seen, progress=output.bars)
        found = beliefs.jailbreaks(
            loaded, reading, attacks, requests, seed=seed, folder=work, progress=output.bars
        )
        made = jailbreak_record(found, loaded, reading.counts, fitted_on=len(fitting), left_out=left_out)
        record = made.model_dump(mode="json")
        (folder / "jailbreaks.json").write_text(as_json_line(record) + "\n", encoding="utf-8")
        output.record(record)
        for note in reading.notes:
            output.note(note)
        _show(found, output)


def _fitting(
    model: "LanguageModel",
    sources: list[_data_options.Source] | None,
    requests: "list[Prompt]",
    attacks: "list[Prompt]",
    output: Output,
    *,
    seed: int,
) -> "tuple[list[Prompt], int]":
    """Prompts to fit beliefs on, and how many were left out as relatives of what is attacked."""
    output.bars(_data_options.PREPARING, 0, 0)
    from latentguard.guard.relatives import recognised_by, remembered_as
    from latentguard.report import default_data

    if sources is None:
        given = list(default_data(model, seed=seed).thinned().split.train)
    else:
        given = _data_options.prompts_of(sources)
    wanted = {one.base_id for one in attacks}
    asked = [*attacks, *(one for one in requests if one.id in wanted)]
    marks = frozenset(mark for one in asked for mark in remembered_as(one))
    kept = [one for one in given if marks.isdisjoint(recognised_by(one))]
    output.bars(_data_options.PREPARING, 1, 1)
    return kept, len(given) - len(kept)


def _show(found: "Jailbroken", output: Output) -> None:
    rows = table(
        "attack", "n", "accepted anyway", "succeeded", "harmfulness: before, after", "refusal: before, after",
        "lowers", "reverses", numbers=("n", "accepted anyway"),
    )  # fmt: skip
    for row in found.rows:
        succeeded = "-" if row.succeeded.value is None else f"{row.succeeded.value:.2f} of {row.succeeded.n}"
        rows.add_row(
            shown(row.attack), str(row.n), str(row.accepted_anyway), succeeded,
            _shift(row.harmfulness), _shift(row.refusal), row.lowers, row.reverses,
        )  # fmt: skip
    output.show(rows)


def _shift(found: "Shift | None") -> str:
    if found is None:
        return "-"
    shift = found.shift
    ends = "" if shift.low is None or shift.high is None else f" ({shift.low:+.3f} to {shift.high:+.3f})"
    return f"{found.before:+.3f}, {found.after:+.3f}{ends}"
