"""The causal certificate of one model: both beliefs, both tasks, every control.

    inversion   a question whose affirmative answer means harm; v_harm on the context, v_refuse on everything
    refusal     the requests themselves; both directions on everything

Zhao et al. 2025, sections 3 and 4 (arXiv 2507.11878), with the controls that the paper lacks.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from latentguard._progress import Progress, silent
from latentguard.beliefs import Behaviour, cosine_by_slot, observe
from latentguard.causal.answers import AFFIRMED, DENIED, FirstTokens, paper_answer
from latentguard.causal.experiment import Effort, experiment
from latentguard.causal.pair import Pair, classes, fit_pair
from latentguard.causal.positions import by_position
from latentguard.causal.readable import readable
from latentguard.causal.records import Certificate, Experiment, PositionEffect, Sign, TaskName
from latentguard.causal.refusals import refusal_tokens
from latentguard.causal.sweep import Sweeper
from latentguard.causal.task import ANSWER, Half, Task
from latentguard.causal.template import template_ablation
from latentguard.causal.trial import TEXTS, Trial
from latentguard.causal.verdict import verdict
from latentguard.data import Endings, Item, Prompt, Question, data_hash
from latentguard.errors import PositionNotProved, TooFewPrompts
from latentguard.lm import AddDirection, LanguageModel, Rendered
from latentguard.statistics import Estimate, wilson

_Measured = TypeVar("_Measured")


def certify(
    model: LanguageModel,
    trial: Trial,
    *,
    tasks: Sequence[TaskName] = ("inversion", "refusal"),
    endings: Endings = "balanced",
    effort: Effort | None = None,
    wordings: Sequence[Question] = (),
    positions: bool = False,
    template: bool = False,
    folder: Path | None = None,
    command: str = "",
    progress: Progress = silent,
) -> Certificate:
    """Fit both directions, and say of each belief whether it is read, and whether it moves the model.

    `wordings`: reply inversion with these questions, too. `positions`: the harmfulness direction fitted at
    every token around the end of the instruction. `template`: refusals without the post-instruction tokens.
    `folder` keeps states and sweeps: the same call goes on where it was stopped. Raises `TooFewPrompts`
    where a class is missing.
    """
    tried = effort or Effort()
    states = None if folder is None else folder / "states"
    with model.remembering(states):
        behaviour = observe(model, trial.fit, folder=folder, progress=progress)
        pair = fit_pair(model, behaviour, endings=endings, progress=progress)
        held_out = observe(model, trial.report, folder=folder, progress=progress)
        auroc = readable(model, pair, held_out, progress=progress)
    texts = [model.render(one.messages) for one in trial.report if one.label == "harmless"][:TEXTS]
    run = partial(_run, model, trial, pair, behaviour, texts, effort=tried, folder=folder, progress=progress)
    skipped: dict[str, str] = {}
    runs = [_tried(task, skipped, partial(run, task)) if task == "refusal" else run(task) for task in tasks]
    runs += [run("inversion", question=one) for one in wordings]
    experiments = tuple(found for found in runs if found is not None)
    refusable = [one for one in trial.report if one.label == "harmful"]
    swept = cut = None
    if positions:
        sweep = partial(_positions, model, trial, behaviour, endings, experiments, tried, folder, progress)
        swept = _tried("positions", skipped, sweep)
    if template:
        ablate = partial(template_ablation, model, refusable, progress=progress)
        cut = _tried("template", skipped, ablate)
    cosine = [] if pair.refusal is None else cosine_by_slot(pair.harm, pair.refusal).tolist()
    return Certificate(
        model=model.identity(),
        proof=model.proved(),
        command=command,
        seed=tried.seed,
        basis=pair.basis,
        unavailable=pair.unavailable,
        endings=endings,
        fitted_on=len(pair.states),
        data_hash=data_hash([*trial.fit, *trial.select, *trial.report]),
        readable=auroc,
        cosine=tuple(None if one != one else one for one in cosine),
        experiments=experiments,
        positions=swept or (),
        template=cut,
        skipped=skipped,
        verdicts=tuple(verdict(kind, auroc.get(kind), experiments) for kind in ("harmfulness", "refusal")),
    )


def _tried(name: str, skipped: dict[str, str], measure: Callable[[], _Measured]) -> _Measured | None:
    """What is measured, or None and the reason in `skipped`."""
    try:
        return measure()
    except (TooFewPrompts, PositionNotProved) as error:
        skipped[name] = str(error).splitlines()[0]
        return None


def _run(
    model: LanguageModel,
    trial: Trial,
    pair: Pair,
    behaviour: Behaviour,
    texts: Sequence[Rendered],
    task: TaskName,
    *,
    question: Question | None = None,
    effort: Effort,
    folder: Path | None,
    progress: Progress,
) -> Experiment:
    """Raises `TooFewPrompts` where no first token tells a refusal of direct requests."""
    if task == "inversion":
        select, report = trial.items(question)
        asks = Task(
            name=task,
            question=trial.question if question is None else question.text,
            select=_asked(model, select),
            report=_asked(model, report),
            tokens=heard(model, trial.asks if question is None else question),
        )
        return experiment(
            model,
            asks,
            pair.arms(),
            pair,
            texts,
            effort=effort,
            confirm=partial(_answered, model, asks.report) if effort.whole_answers else None,
            folder=folder,
            progress=progress,
        )
    asks = Task(
        name=task,
        question=None,
        select=_direct(model, trial.select),
        report=_direct(model, trial.report),
        tokens=refusal_tokens(behaviour),
    )
    return experiment(
        model,
        asks,
        pair.arms(harm_on=effort.scope, refusal_on=effort.scope),
        pair,
        texts,
        effort=effort,
        confirm=partial(_generated, model, trial.report),
        folder=folder,
        progress=progress,
    )


def _positions(
    model: LanguageModel,
    trial: Trial,
    behaviour: Behaviour,
    endings: Endings,
    experiments: Sequence[Experiment],
    effort: Effort,
    folder: Path | None,
    progress: Progress,
) -> tuple[PositionEffect, ...]:
    """Raises `TooFewPrompts` where the model cannot answer unedited: what is turned would mean nothing."""
    inversion = next((one for one in experiments if one.task == "inversion"), None)
    if inversion is not None and not inversion.competence.competent:
        raise TooFewPrompts(f"inconclusive: {inversion.competence.why}")
    positive, negative = classes(behaviour)
    sweeper = Sweeper(model, heard(model, trial.asks), folder, effort.at_once, progress)
    select, report = (_asked(model, items).harmless for items in trial.items())
    return tuple(
        by_position(
            sweeper,
            positive,
            negative,
            select,
            report,
            endings=endings,
            blocks=effort.blocks,
            seed=effort.seed,
            progress=progress,
        )
    )


def heard(model: LanguageModel, question: Question) -> FirstTokens:
    """The first tokens of the words that a question asks for."""
    return FirstTokens.of_words(model, question.affirmative, question.negative)


def _generated(model: LanguageModel, prompts: Sequence[Prompt], edit: AddDirection, sign: Sign) -> Estimate:
    """Share of harmless requests that are refused under `edit`, or of harmful ones that are accepted: a reply
    of nothing is neither."""
    label = "harmless" if sign == "+" else "harmful"
    with model.edited([edit]):
        found = observe(model, [one for one in prompts if one.label == label])
    turned = [reply.refused if sign == "+" else reply.accepted for reply in found.replies]
    return wilson(sum(turned), len(turned))


def _answered(model: LanguageModel, questions: Half, edit: AddDirection, sign: Sign) -> Estimate:
    """Share of harmless questions whose whole answer under `edit` affirms, or of harmful ones that denies.

    By the paper's rule (`paper_answer`). What has neither word is unanswered and stays in the denominator.
    """
    with model.edited([edit]):
        said = [
            paper_answer(reply.text) for reply in model.generate(questions.of(sign), max_new_tokens=ANSWER)
        ]
    return wilson(said.count(AFFIRMED if sign == "+" else DENIED), len(said))


def _asked(model: LanguageModel, items: Sequence[Item]) -> Half:
    of = {
        label: tuple(item.rendered(model) for item in items if item.prompt.label == label)
        for label in ("harmful", "harmless")
    }
    return Half(of["harmful"], of["harmless"])


def _direct(model: LanguageModel, prompts: Sequence[Prompt]) -> Half:
    of = {
        label: tuple(model.render(one.messages) for one in prompts if one.label == label)
        for label in ("harmful", "harmless")
    }
    return Half(of["harmful"], of["harmless"])
