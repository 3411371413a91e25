"""`latentguard steer [MODEL]`: do the two beliefs move the model, and do they come apart?"""

from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentguard.cli import _data_options, _options
from latentguard.cli._causal_tables import show_certificate
from latentguard.cli._folders import new_folder
from latentguard.cli._numbers import numbers
from latentguard.cli._output import Output, as_json_line, speaking
from latentguard.cli._plan import DryRun, show_plan
from latentguard.cli._work import work_folder

if TYPE_CHECKING:
    from latentguard.causal import TaskName, Trial
    from latentguard.data import Question
    from latentguard.lm import LanguageModel

WRITTEN = frozenset({"causal.json"})


class TaskChoice(StrEnum):
    """What is asked of the model while it is steered."""

    both = "both"
    inversion = "inversion"
    refusal = "refusal"


TaskOption = Annotated[
    TaskChoice,
    typer.Option(
        "--task", help="inversion: a question whose affirmative answer means harm. refusal: the requests."
    ),
]
QuestionOption = Annotated[
    str,
    typer.Option(
        "--question",
        help="compliance, harm, wrongdoing or ethics: the paper's; or yours, answered Certainly, Yes or No.",
    ),
]
Each = Annotated[int, typer.Option(min=5, help="Prompts of a class in each half.")]
Fitted = Annotated[int, typer.Option(min=10, help="Prompts of a class that directions are fitted on.")]
Blocks = Annotated[
    str | None, typer.Option(metavar="N,N-N", help="Blocks to try, as 3,8-12; all by default.")
]
Scales = Annotated[
    str, typer.Option(metavar="X,X", help="Times the raw difference of means; both signs are tried.")
]
Generate = Annotated[
    str | None,
    typer.Option(metavar="N,N-N", help="Blocks at which whole replies to direct requests are judged, too."),
]


class ScopeChoice(StrEnum):
    """The tokens of a direct request that are edited."""

    prompt = "prompt"
    all = "all"


ScopeOption = Annotated[
    ScopeChoice, typer.Option("--scope", help="Of direct requests: the prompt's tokens, or the reply's, too.")
]
WholeAnswers = Annotated[
    bool,
    typer.Option(
        "--whole-answers",
        help="Generate inversion answers, too, and hear them by the paper's substring rule.",
    ),
]
Random = Annotated[int, typer.Option(min=2, help="Random directions of equal length beside each effect.")]


class Budget(StrEnum):
    """How much is tried."""

    quick = "quick"
    full = "full"


BudgetOption = Annotated[
    Budget, typer.Option("--budget", help="full: every direction, block and scale, on both halves.")
]
Wordings = Annotated[bool, typer.Option("--wordings", help="Ask the paper's other questions, too.")]
Positions = Annotated[
    bool, typer.Option("--positions", help="Fit the harmfulness direction at every token around t_inst, too.")
]
Template = Annotated[
    bool, typer.Option("--template", help="Count refusals without the post-instruction tokens, too.")
]


def steer(
    context: typer.Context,
    model: _options.Model = "organism",
    harmful: _data_options.Harmful = None,
    harmless: _data_options.Harmless = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for causal.json.")] = Path(
        "latentguard-causal"
    ),
    task: TaskOption = TaskChoice.both,
    question: QuestionOption = "harm",
    each: Each = 25,
    fitted: Fitted = 65,
    blocks: Blocks = None,
    scales: Scales = "0.5,1,2",
    generate: Generate = None,
    scope: ScopeOption = ScopeChoice.prompt,
    whole_answers: WholeAnswers = False,
    random: Random = 20,
    budget: BudgetOption = Budget.quick,
    wordings: Wordings = False,
    positions: Positions = False,
    template: Template = False,
    dry_run: DryRun = False,
    prompt_column: _data_options.PromptColumn = None,
    label_column: _data_options.LabelColumn = None,
    seed: _options.Seed = 0,
    device: _options.Device = "auto",
    dtype: _options.DtypeOption = _options.Dtype.auto,
    revision: _options.Revision = None,
    as_json: _options.Json = False,
) -> None:
    """Add each direction, at every block, and count what answers turn, beside directions that mean nothing.

    Without files the prompts are the package's own matched pairs, or the organism's for the organism. Edits
    live in memory; replies are judged, counted and dropped.
    """
    some, sizes = (
        None if blocks is None else _blocks(blocks, "--blocks"),
        numbers(scales, "--scales", below=1000, what="scales above 0, as 0.5,1,2"),
    )
    generated = () if generate is None else _blocks(generate, "--generate")
    with speaking(as_json=as_json) as output, ExitStack() as stack:
        folder = None if dry_run else stack.enter_context(new_folder(out, ours=WRITTEN))
        sources = _data_options.read_classes(
            harmful, harmless, output, prompt_column=prompt_column, label_column=label_column
        )
        loaded = _options.load_model(model, output, device=device, dtype=dtype, revision=revision)
        _check_blocks(loaded, some or (), "--blocks")
        _check_blocks(loaded, generated, "--generate")
        _data_options.check_rendering(loaded, sources or [], output, endings="balanced")
        trial = _trial(loaded, sources, output, question, each=each, fitted=fitted, seed=seed)
        tasks: tuple[TaskName, ...] = ("inversion", "refusal") if task is TaskChoice.both else (task.value,)
        from latentguard import causal

        others = _others(question) if wordings else []
        effort = causal.Effort(
            blocks=some,
            scales=sizes,
            generate=generated,
            scope=scope.value,
            whole_answers=whole_answers,
            random=random,
            seed=seed,
            full=budget is Budget.full,
        )
        if folder is None:
            beside = causal.Beside(len(others), positions, template)
            show_plan(causal.plan(loaded, trial, tasks=tasks, effort=effort, beside=beside), output)
            return
        with work_folder(out, output) as work:
            found = causal.certify(
                loaded,
                trial,
                tasks=tasks,
                effort=effort,
                wordings=others,
                positions=positions,
                template=template,
                folder=work,
                command=_options.command_line(context),
                progress=output.bars,
            )
            (folder / "causal.json").write_text(
                as_json_line(found.model_dump(mode="json")) + "\n", encoding="utf-8"
            )
        output.record(found.model_dump(mode="json"))
        show_certificate(found, output)
    output.note(f"The certificate is in {out / 'causal.json'}.")


def _trial(
    model: "LanguageModel",
    sources: list[_data_options.Source] | None,
    output: Output,
    question: str,
    *,
    each: int,
    fitted: int,
    seed: int,
) -> "Trial":
    output.bars(_data_options.PREPARING, 0, 0)
    from latentguard.causal import Trial, default_trial
    from latentguard.organism.kinship import kinship

    asked = _question(question)
    if sources is None and question != "harm" and kinship(model) != "stranger":
        raise typer.BadParameter(
            "the organism answers the four questions that it was trained on, all of them at once; leave "
            "--question away, or give prompts of your own with --harmful and --harmless.",
            param_hint="--question",
        )
    if sources is None:
        trial = default_trial(model, question=asked, seed=seed, fitted=fitted, each=each)
    else:
        prompts = _data_options.prompts_of(sources)
        with _data_options.naming(sources):
            trial = Trial.of_prompts(prompts, question=asked, seed=seed, fitted=fitted, each=each)
    output.bars(_data_options.PREPARING, 1, 1)
    return trial


def _question(given: str) -> "Question":
    from latentguard.data import QUESTIONS, Question

    named = {one.name: one for one in QUESTIONS}
    return named.get(given) or Question("own", given)


def _others(question: str) -> "list[Question]":
    from latentguard.data import QUESTIONS

    return [one for one in QUESTIONS if one.name != question]


def _blocks(given: str, option: str) -> tuple[int, ...]:
    found: list[int] = []
    for part in given.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or not (last.isdecimal() if dash else not last):
            raise typer.BadParameter(f"{part!r} is no block and no range of them.", param_hint=option)
        found += range(int(first), int(last or first) + 1)
    if not found:
        raise typer.BadParameter(f"{given!r} names no block.", param_hint=option)
    return tuple(dict.fromkeys(found))


def _check_blocks(model: "LanguageModel", blocks: tuple[int, ...], option: str) -> None:
    missing = [block for block in blocks if block >= model.n_blocks]
    if missing:
        raise typer.BadParameter(
            f"there is no block {missing[0]}: this model has 0 to {model.n_blocks - 1}.",
            param_hint=option,
        )
