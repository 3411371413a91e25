"""`latentguard rivals [MODEL]`: the guard beside everything else that could flag a prompt."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentguard._paths import BUNDLED
from latentguard.cli import _data_options, _options
from latentguard.cli._folders import new_folder
from latentguard.cli._numbers import estimated, numbers
from latentguard.cli._output import Output, as_json_line, shown, speaking, table
from latentguard.cli._plan import DryRun, show_plan
from latentguard.cli._work import work_folder

if TYPE_CHECKING:
    from latentguard.data import Prompt
    from latentguard.guard.fitting_data import FittingData
    from latentguard.lm import LanguageModel
    from latentguard.rivals import Contest, Rival

WRITTEN = frozenset({"rivals.json"})
ORDINARY = 200
"""Ordinary prompts of the organism."""

Data = Annotated[
    list[str] | None,
    typer.Option("--data", metavar="FILE...", help="Labelled prompts to measure on; each file is one set."),
]
Ordinary = Annotated[
    list[str] | None,
    typer.Option(
        "--ordinary", metavar="FILE...", help="Harmless prompts of daily use: thresholds are cut here."
    ),
]
EmbeddingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--embeddings", metavar="DIR", help="A folder that sentence-transformers reads; may be repeated."
    ),
]
ClassifierOption = Annotated[
    list[str] | None,
    typer.Option(
        "--classifier",
        metavar="MODEL[=LABEL,LABEL]",
        help="A text classifier, and which labels mean harm; may be repeated.",
    ),
]
EndpointOption = Annotated[
    list[str] | None,
    typer.Option(
        "--endpoint",
        metavar="URL[=MODEL]",
        help="A moderation endpoint of OpenAI's shape; the key is in OPENAI_API_KEY. Prompts are sent there.",
    ),
]
Rates = Annotated[str, typer.Option(metavar="X,X", help="False-positive rates among ordinary prompts.")]
WordsOnly = Annotated[bool, typer.Option("--words-only", help="Load no model: rivals that read none.")]


def rivals(
    context: typer.Context,
    model: _options.Model = "organism",
    harmful: _data_options.Harmful = None,
    harmless: _data_options.Harmless = None,
    ordinary: Ordinary = None,
    data: Data = None,
    embeddings: EmbeddingsOption = None,
    classifier: ClassifierOption = None,
    endpoint: EndpointOption = None,
    rates: Rates = "0.01,0.05",
    words_only: WordsOnly = False,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for rivals.json.")] = Path(
        "latentguard-rivals"
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
    """Fit the Latent Guard and its rivals on the same prompts, cut all at the same rate of false alarms, and
    count what each catches.

    Fitted on --harmful and --harmless, or on the package's contrast set (the organism's own prompts for the
    organism); cut on --ordinary, measured on --data.
    """
    cut_at = numbers(rates, "--rates", below=1, what="rates between 0 and 1, as 0.01,0.05")
    if bool(data) != bool(ordinary) or (not data and (words_only or model not in BUNDLED)):
        raise typer.BadParameter(
            "give --data, labelled prompts to measure on, and --ordinary, harmless prompts to cut thresholds "
            "on; only the organism brings its own."
        )
    with speaking(as_json=as_json) as output, ExitStack() as stack:
        folder = None if dry_run else stack.enter_context(new_folder(out, ours=WRITTEN))
        sources = _data_options.read_classes(
            harmful, harmless, output, prompt_column=prompt_column, label_column=label_column
        )
        read = partial(_data_options.read_source, output=output, prompt_column=prompt_column)
        tested = [_data_options.labelled(read(name, label_column=label_column)) for name in data or ()]
        usual = [read(name, label="harmless") for name in ordinary or ()]
        outside = _outside(embeddings, classifier, endpoint, device)
        loaded = None
        if not words_only:
            loaded = _options.load_model(model, output, device=device, dtype=dtype, revision=revision)
            _data_options.check_rendering(loaded, sources or [], output, endings="balanced")
            _data_options.check_rendering(loaded, [*tested, *usual], output)
        output.bars(_data_options.PREPARING, 0, 0)
        from latentguard.rivals import contest, plan

        fitting, fitted_on = _fitting(loaded, sources, seed=seed)
        test: dict[str, list[Prompt]] = {}
        for source in tested:
            test.setdefault(Path(source.name).stem, []).extend(source.prompts)
        daily = _data_options.prompts_of(usual)
        if loaded is not None and not tested:
            test, daily = _planted(loaded, seed=seed)
        output.bars(_data_options.PREPARING, 1, 1)
        if folder is None:
            if loaded is None:
                output.show(
                    "No model is loaded: words cost nothing, and other rivals what their own models cost."
                )
                output.record({"forwards": 0, "tokens": 0, "minutes": 0.0, "gigabytes": 0.0})
                return
            every = [one for prompts in test.values() for one in prompts]
            show_plan(plan(loaded, fitting, daily, every), output)
            return
        work = stack.enter_context(work_folder(out, output))
        found = contest(
            [*_inside(loaded), *outside],
            fitting,
            daily,
            test,
            model=loaded,
            rates=cut_at,
            fitted_on=fitted_on,
            command=_options.command_line(context),
            seed=seed,
            folder=work,
            progress=output.bars,
        )
        (folder / "rivals.json").write_text(
            as_json_line(found.model_dump(mode="json")) + "\n", encoding="utf-8"
        )
        output.record(found.model_dump(mode="json"))
        _show(found, output)
    output.note(f"Every set, with intervals, is in {out / 'rivals.json'}.")


def _outside(
    embeddings: list[str] | None, classifier: list[str] | None, endpoint: list[str] | None, device: str
) -> "list[Rival]":
    """The rivals that read no model of ours, loaded."""
    from latentguard.lm.load import device_named
    from latentguard.rivals import Classifier, Embeddings, Endpoint

    where = str(device_named("auto" if device == "spread" else device))
    found: list[Rival] = [Embeddings.of(folder, device=where) for folder in embeddings or ()]
    for given in classifier or ():
        source, told, labels = given.partition("=")
        found.append(Classifier.of(source, harmful=labels.split(",") if told else None, device=where))
    for given in endpoint or ():
        url, named, name = given.partition("=")
        found.append(Endpoint.of(url, model=name) if named else Endpoint.of(url))
    return found


def _inside(model: "LanguageModel | None") -> "list[Rival]":
    from latentguard.rivals import FirstToken, Latent, RefusalDirection, Words

    read: list[Rival] = []
    if model is not None:
        read = [
            Latent(model),
            Latent(model, position="auto"),
            Latent(model, "logistic", "t_post_inst"),
            RefusalDirection(model),
            FirstToken(model),
        ]
    return [*read, Words("tfidf"), Words("length"), Words("ending")]


def _fitting(
    model: "LanguageModel | None", sources: list[_data_options.Source] | None, *, seed: int
) -> "tuple[FittingData, str]":
    from latentguard.data import contrast_set
    from latentguard.guard.fitting_data import fitting_data
    from latentguard.report import default_data

    if sources is None:
        if model is None:
            return fitting_data(contrast_set(), None, None, seed=seed), "the package's contrast set"
        given = default_data(model, seed=seed)
        return fitting_data(given.split, None, None, seed=seed), given.name
    with _data_options.naming(sources):
        harmful, harmless = _data_options.by_class(_data_options.prompts_of(sources))
        names = ", ".join(Path(one.name).name for one in sources)
        return fitting_data(harmful, harmless, None, seed=seed), names


def _planted(model: "LanguageModel", *, seed: int) -> "tuple[dict[str, list[Prompt]], list[Prompt]]":
    """The organism's own test prompts, every kind a set, and its ordinary requests."""
    from latentguard.organism import sample_prompts
    from latentguard.report import default_data

    kinds: dict[str, list[Prompt]] = {}
    for one in default_data(model, seed=seed).measured:
        kinds.setdefault(one.source or "unnamed", []).append(one)
    return kinds, sample_prompts("ordinary", ORDINARY, seed=seed + 1)


def _show(found: "Contest", output: Output) -> None:
    at = [f"{rate:.0%}" if rate >= 0.01 else f"{rate:.1%}" for rate in found.rates]
    output.show(
        f"Fitted on {found.fitted_on} ({found.n_train} prompts, {found.n_validation} to choose on); "
        f"thresholds cut on {found.n_ordinary} ordinary prompts; {found.left_out} left out as relatives"
        + (f", {found.unlabelled} without a label." if found.unlabelled else ".")
    )
    standing = [one for one in found.standings if one.unavailable is None]
    overall = table(
        "", "rival", "AUROC over pairs of sets",
        *(f"caught at {rate}" for rate in at), *(f"false alarms at {rate}" for rate in at), numbers=("",),
    )  # fmt: skip
    for number, one in enumerate(standing, start=1):
        measured = (one.auroc, *one.recall, *one.over_refusal)
        overall.add_row(str(number), shown(one.name), *(estimated(each, between="-") for each in measured))
    output.show(overall)
    numbers = [str(number) for number in range(1, len(standing) + 1)]
    sets = table(f"flagged at {at[-1]}, by rival", "", "n", *numbers, numbers=("n", *numbers))
    for row, *others in zip(*(one.sets for one in standing), strict=True):
        flagged = (_value(one.flagged[-1].value) for one in (row, *others))
        sets.add_row(shown(row.source), row.label, str(row.n), *flagged)
    output.show(sets)
    for one in found.standings:
        if one.unavailable is not None:
            output.show(shown(f"{one.name} unavailable: {one.unavailable}"))


def _value(share: float | None) -> str:
    return "-" if share is None else f"{share:.2f}"
