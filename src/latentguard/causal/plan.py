"""What a certificate costs before it is begun: forward passes, tokens, minutes, memory.

An edited run that goes on from block b costs (L - b) / L of a forward pass. Where a direction will turn most
is not known before, so an edit at a chosen place is counted as the mean over the blocks that are tried.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from latentguard.causal.experiment import PRICED, Effort
from latentguard.causal.place import LEADING
from latentguard.causal.positions import BEFORE, RANDOM
from latentguard.causal.records import TaskName
from latentguard.causal.task import ANSWER
from latentguard.causal.trial import TEXTS, Trial
from latentguard.data import Item, Prompt, with_endings
from latentguard.lm import LanguageModel, Rendered
from latentguard.lm.forecast import Forecast, Tally

ARMS = 4
"""Both directions, and each without the other."""
RIVALS = 2
"""Refusal's directions where v_harm turns most."""
CONTROLLED = 2
"""The directions themselves: they have controls, and a small effort sweeps them alone."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What is asked for beside the tasks, as `certify` takes it."""

    wordings: int = 0
    """Further questions."""
    positions: bool = False
    template: bool = False


def plan(
    model: LanguageModel,
    trial: Trial,
    *,
    tasks: Sequence[TaskName],
    effort: Effort | None = None,
    beside: Beside | None = None,
) -> Forecast:
    """The price of `certify` with the same arguments. Runs a few prompts to see how fast this machine is."""
    tried = effort or Effort()
    tally = Tally(model)
    count(tally, model, trial, tasks=tasks, effort=tried, beside=beside)
    return tally.total(rows=tried.at_once)


def count(
    tally: Tally,
    model: LanguageModel,
    trial: Trial,
    *,
    tasks: Sequence[TaskName],
    effort: Effort,
    beside: Beside | None = None,
) -> None:
    """The same, on a tally that holds other work, too."""
    wanted = beside or Beside()
    fit = [model.render(one.messages) for one in trial.fit]
    variants = [model.render(one.messages) for one in with_endings(trial.fit)]
    reported = [model.render(one.messages) for one in trial.report]
    tally.run([*reported, *fit], 2)  # replied to, and read
    tally.run(variants)
    tally.reply(len(fit) + len(reported))
    tally.keep(2 * (4 * len(trial.fit) + len(trial.report)))
    for task in tasks:
        _count_task(tally, model, trial, task, effort)
    for _ in range(wanted.wordings):
        _count_task(tally, model, trial, "inversion", effort)
    if wanted.positions:
        _count_positions(tally, model, trial, variants, effort)
    if wanted.template:
        refusable = [
            one for one, given in zip(reported, trial.report, strict=True) if given.label == "harmful"
        ]
        tally.run(refusable, 2)
        tally.reply(2 * len(refusable))


def _count_task(tally: Tally, model: LanguageModel, trial: Trial, task: TaskName, effort: Effort) -> None:
    select, report = (
        (_rendered(model, trial.select_items), _rendered(model, trial.report_items))
        if task == "inversion"
        else (_direct(model, trial.select), _direct(model, trial.report))
    )
    tally.run(select, 2 + selecting(model.n_blocks, effort))
    tally.run(report, 1 + reporting(model.n_blocks, effort))
    texts = _direct(model, [one for one in trial.report if one.label == "harmless"][:TEXTS])
    priced = ARMS + RIVALS + CONTROLLED * min(PRICED, effort.random)
    tally.run(texts, 2 * (1 + priced * _resumed(model.n_blocks, effort)))
    if task == "refusal" or effort.whole_answers:
        replies = CONTROLLED * (1 + len(effort.generate))
        tally.run(report, replies)
        tally.reply(replies * len(report), 16 if task == "refusal" else ANSWER)


def _count_positions(
    tally: Tally, model: LanguageModel, trial: Trial, variants: Sequence[Rendered], effort: Effort
) -> None:
    tally.run(variants)
    suffix = variants[0].t_post_inst - variants[0].t_inst
    select, report = (
        _rendered(model, [one for one in items if one.prompt.label == "harmless"])
        for items in (trial.select_items, trial.report_items)
    )
    places = BEFORE + 1 + suffix
    tally.run(select, places * (1 + sweep_cost(model.n_blocks, effort)))
    tally.run(report, places * (1 + (1 + RANDOM) * _resumed(model.n_blocks, effort)))


def selecting(n_blocks: int, effort: Effort) -> float:
    """Forward passes of one selection prompt beside its unedited ones."""
    blocks = effort.blocks or tuple(range(n_blocks))
    curve = len(blocks) * _resumed(n_blocks, effort)
    if effort.full:
        return len(effort.scales) * (1 + ARMS * curve)
    other = sum(scale != 1.0 for scale in effort.scales)
    led = other * min(LEADING, len(blocks))
    return 1 + CONTROLLED * curve + (1 + CONTROLLED * led * curve / len(blocks) if other else 0.0)


def reporting(n_blocks: int, effort: Effort) -> float:
    """Forward passes of one reported prompt beside its unedited ones."""
    controls = CONTROLLED * (effort.random + 2 * effort.shuffled)
    placed = 1 + (ARMS + RIVALS + controls) * _resumed(n_blocks, effort)
    return placed + (selecting(n_blocks, effort) if effort.full else 0.0)


def sweep_cost(n_blocks: int, effort: Effort) -> float:
    """Forward passes of one prompt and direction at every block that is tried."""
    blocks = n_blocks if effort.blocks is None else len(effort.blocks)
    return blocks * _resumed(n_blocks, effort)


def _resumed(n_blocks: int, effort: Effort) -> float:
    """Of a forward pass: an edited run, in the mean over the blocks that are tried."""
    blocks = effort.blocks or tuple(range(n_blocks))
    return sum((n_blocks - block) / n_blocks for block in blocks) / len(blocks)


def _rendered(model: LanguageModel, items: Sequence[Item]) -> list[Rendered]:
    return [item.rendered(model) for item in items]


def _direct(model: LanguageModel, prompts: Sequence[Prompt]) -> list[Rendered]:
    return [model.render(one.messages) for one in prompts]
