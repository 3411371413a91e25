"""One causal experiment: where an edit turns most is chosen on one half, and what it turns told on the other.

    +  prompts of the harmless class, whose answer the edit must make affirmative
    -  prompts of the harmful class, whose answer the reversed edit must make negative

Every arm at its own best place, v_refuse at v_harm's too, and directions that mean nothing beside both. A
model that cannot answer unedited is not swept: nothing that it says then would mean anything.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from latentguard._progress import Progress, silent
from latentguard.causal import effects
from latentguard.causal.arms import Arm
from latentguard.causal.cost import cost
from latentguard.causal.measured import Tried, effect, prices
from latentguard.causal.pair import COMES_FROM, HARM, HARM_ALONE, REFUSAL, REFUSAL_ALONE, Pair
from latentguard.causal.place import SIGNS, TRUE_ANSWER, Place, choose, choose_of_all, curves
from latentguard.causal.records import (
    Apart,
    Curve,
    Effect,
    Experiment,
    HalfName,
    Replies,
    Sign,
)
from latentguard.causal.sweep import Sweeper
from latentguard.causal.task import Task, answered_truly, competence
from latentguard.lm import AddDirection, LanguageModel, Rendered
from latentguard.lm.edits.scope import Scope
from latentguard.statistics import Estimate

SCALES: Final = (0.5, 1.0, 2.0)
RANDOM: Final = 20
SHUFFLED: Final = 5
PRICED: Final = 5
"""Random directions whose price is measured."""
Confirm: TypeAlias = Callable[[AddDirection, Sign], Estimate]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is tried."""

    blocks: tuple[int, ...] | None = None
    """None: all."""
    scales: tuple[float, ...] = SCALES
    random: int = RANDOM
    shuffled: int = SHUFFLED
    seed: int = 0
    at_once: int = 32
    generate: tuple[int, ...] = ()
    """Blocks at which whole replies to direct requests are generated under both directions at scale 1."""
    scope: Scope = "prompt"
    """The tokens of direct requests that are edited: the paper's, or "all", those of the reply among them."""
    whole_answers: bool = False
    """Answers of reply inversion are generated, too, and heard by the paper's substring rule."""
    full: bool = False
    """Every arm at every block and scale on both halves. Otherwise the two directions at every block at scale
    1 and at the other scales at their best blocks, on the selection half, and each without the other at the
    place of the direction that it comes from."""


def experiment(
    model: LanguageModel,
    task: Task,
    arms: Sequence[Arm],
    pair: Pair,
    texts: Sequence[Rendered],
    *,
    effort: Effort | None = None,
    confirm: Confirm | None = None,
    folder: Path | None = None,
    progress: Progress = silent,
) -> Experiment:
    """The whole of it. `texts`: ordinary prompts on which the price of every reported edit is measured.

    `confirm` generates whole replies of the reported prompts under an edit, and says what share is turned: of
    the two directions at their own places.
    `folder` keeps what was swept, so that the same call goes on where it was stopped.
    """
    tried = effort or Effort()
    blocks = tried.blocks or tuple(range(model.n_blocks))
    sweeper = Sweeper(model, task.tokens, folder, tried.at_once, progress)
    able = competence(sweeper, task)
    found_curves: list[Curve] = []
    found: list[Effect] = []
    apart: list[Apart] = []
    for sign in SIGNS if able.competent else ():
        seen, places = _chosen(sweeper, task, arms, sign, blocks, tried)
        found_curves += seen
        reported, differences = _reported(sweeper, task, places, sign, pair, texts, tried, confirm)
        found += reported
        apart += differences
    return Experiment(
        task=task.name,
        question=task.question,
        competence=able,
        curves=tuple(found_curves),
        effects=tuple(found),
        apart=tuple(apart),
        selected_on=len(task.select),
        reported_on=len(task.report),
        replies=_replies(arms, tried, confirm) if able.competent else (),
    )


def _replies(arms: Sequence[Arm], effort: Effort, confirm: Confirm | None) -> tuple[Replies, ...]:
    if confirm is None:
        return ()
    return tuple(
        Replies(
            arm=arm.name,
            sign=sign,
            block=block,
            turned=confirm(arm.edit(block, 1.0 if sign == "+" else -1.0), sign),
        )
        for block in effort.generate
        for arm in arms
        if arm.name in (HARM, REFUSAL)
        for sign in SIGNS
    )


def _chosen(
    sweeper: Sweeper, task: Task, arms: Sequence[Arm], sign: Sign, blocks: Sequence[int], effort: Effort
) -> tuple[list[Curve], list[Place]]:
    """Curves, and the place of every arm."""
    prompts = answered_truly(sweeper, task.select.of(sign), sign)
    if effort.full:
        reported = answered_truly(sweeper, task.report.of(sign), sign)
        halves: dict[HalfName, list[Rendered]] = {"selection": prompts, "report": reported}
        grid = [
            curve
            for half, members in halves.items()
            for scale in effort.scales
            for curve in curves(sweeper, members, arms, sign, blocks=blocks, scale=scale, half=half)
        ]
        return grid, choose_of_all(grid, arms)
    swept = [arm for arm in arms if arm.name not in COMES_FROM]
    seen, places = choose(sweeper, prompts, swept, sign, blocks=blocks, scales=effort.scales)
    by_name = {place.arm.name: place for place in places}
    for arm in arms:
        if (source := COMES_FROM.get(arm.name)) is not None:
            there = by_name[source]
            places.append(Place(arm, there.block, there.scale, f"where {source} turns most"))
    return seen, places


def _reported(
    sweeper: Sweeper,
    task: Task,
    places: Sequence[Place],
    sign: Sign,
    pair: Pair,
    texts: Sequence[Rendered],
    effort: Effort,
    confirm: Confirm | None,
) -> tuple[list[Effect], list[Apart]]:
    """Every place on the reported half, and how much more harmfulness turns than refusal where v_harm is."""
    tried: list[Tried] = []
    for place in places:
        controls = ([], [], [])
        if place.arm.name in (HARM, REFUSAL):
            controls = pair.controls(
                place.arm, random=effort.random, shuffled=effort.shuffled, seed=effort.seed
            )
        tried.append(Tried.at(place, *controls))
    by_name = {one.place.arm.name: one for one in tried}
    rivals: list[tuple[Tried, Tried]] = []
    for more, less in ((HARM, REFUSAL), (HARM_ALONE, REFUSAL_ALONE)):
        if more in by_name and less in by_name:
            there = by_name[more].place
            at_harm = (there.block, there.scale) == (by_name[HARM].place.block, by_name[HARM].place.scale)
            chosen = f"where {HARM if at_harm else more} turns most"
            rival = Tried.at(Place(by_name[less].place.arm, there.block, there.scale, chosen))
            rivals.append((by_name[more], rival))
            tried.append(rival)
    everything = [attempt for one in tried for attempt in one.attempts]
    outcomes = sweeper(task.report.of(sign), everything, f"reported half, {sign}")
    priced = [attempt for one in tried for attempt in (one.edit, *one.random[:PRICED])]
    of_edits = prices(
        cost(sweeper.model, texts, priced, at_once=max(1, effort.at_once // 4), progress=sweeper.progress),
        tried,
    )
    made: list[Effect] = []
    for one in tried:
        found = effect(
            one, outcomes, sign, of_edits, seed=effort.seed, answers_of=task.answers_of(sweeper.model)
        )
        if confirm is not None and one.random:
            edit = one.place.arm.edit(one.place.block, one.place.scale)
            found = found.model_copy(update={"generated": confirm(edit, sign)})
        made.append(found)
    answered = TRUE_ANSWER[sign]
    apart = [
        Apart(
            sign=sign,
            more=one.place.arm.name,
            less=other.place.arm.name,
            block=other.place.block,
            scale=other.place.scale,
            difference=effects.paired(
                outcomes.turned(one.edit, answered), outcomes.turned(other.edit, answered), seed=effort.seed
            ),
        )
        for one, other in rivals
    ]
    return made, apart
