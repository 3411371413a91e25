"""Run every experiment that the data allow. What was measured is kept, and the same call goes on from it."""

from functools import partial
from pathlib import Path

import numpy as np

from latentguard._progress import Progress, silent
from latentguard.beliefs import Behaviour, observe
from latentguard.beliefs.jailbreaks import REPLY_TOKENS
from latentguard.causal import Certificate, Effort, certify
from latentguard.causal.categories import (
    CategoryDirections,
    CategoryEffect,
    category_directions,
    cross_category,
)
from latentguard.causal.certificate import heard
from latentguard.causal.sweep import Sweeper
from latentguard.causal.trial import QUESTION
from latentguard.data import QUESTIONS, Endings, asked, data_hash
from latentguard.errors import TooFewPrompts
from latentguard.lm import LanguageModel
from latentguard.verify.reproduction.belief_rows import belief_rows, jailbreak_rows, layer_curves
from latentguard.verify.reproduction.category_rows import category_rows, cross_rows
from latentguard.verify.reproduction.causal_rows import causal_rows
from latentguard.verify.reproduction.material import Material
from latentguard.verify.reproduction.never_rows import skipped_rows
from latentguard.verify.reproduction.readings import long_enough, read_all
from latentguard.verify.reproduction.records import Budget, Reproduction, Row, Variant


def effort_of(model: LanguageModel, budget: Budget, *, seed: int = 0) -> Effort:
    """How much is steered: every second block and scale 1 of a deep model for "quick", all for "full"."""
    if budget == "full":
        return Effort(seed=seed)
    step = max(1, round(model.n_blocks / 14))
    return Effort(
        blocks=tuple(range(0, model.n_blocks, step)), scales=(1.0,), random=20, shuffled=3, seed=seed
    )


def reproduce(
    model: LanguageModel,
    material: Material,
    *,
    budget: Budget = "quick",
    effort: Effort | None = None,
    seed: int = 0,
    folder: Path | None = None,
    command: str = "",
    progress: Progress = silent,
) -> Reproduction:
    """Every row of the paper that `material` allows.

    `effort`: how much is steered, in place of what the budget says (`effort_of`).
    `folder` keeps states, judged replies and sweeps. Replies are judged, counted and dropped. Raises
    `TooFewPrompts` where a class is missing.
    """
    beside = material.beside
    found: list[Row] = []
    with model.remembering(None if folder is None else folder / "states"):
        fitted = observe(model, long_enough(model, material.trial.fit), folder=folder, progress=progress)
        pool, attacks = (long_enough(model, given) for given in (material.pool, material.attacked))
        measured = [*pool, *attacks]
        ask_long = partial(
            observe, model, max_new_tokens=REPLY_TOKENS, folder=folder, progress=progress
        )  # a template may open in its role, and refuse then
        behaviour = _together(observe(model, pool, folder=folder, progress=progress), ask_long(attacks))
        bases = ask_long(material.bases) if material.bases else None
        readings = read_all(model, fitted, measured, progress=progress)
        attacked = np.array([one.attack is not None for one in measured], dtype=bool)
        found += belief_rows(readings, behaviour, ~attacked, beside=beside)
        curves = layer_curves(readings, behaviour, ~attacked)
        found += jailbreak_rows(
            readings,
            [one.attack for one in measured],
            _succeeded(behaviour, bases),
            material.missing,
            beside=beside,
        )
    steered = effort or effort_of(model, budget, seed=seed)
    certificates = _certificates(model, material, budget, steered, folder, progress)
    found = [*causal_rows(certificates, beside=beside), *found]
    directions, why = _categories(model, material, fitted, seed, folder, progress)
    found += category_rows(directions, why, beside=beside)
    crossed, asked_about = _crossed(model, material, directions, steered, folder, progress)
    why = why or (None if asked_about else "too few questions")
    found += cross_rows(crossed, asked_about, why, beside=beside)
    found += skipped_rows(beside=beside)
    return Reproduction(
        model=model.identity(),
        proof=model.proved(),
        command=command,
        budget=budget,
        seed=seed,
        data=material.name,
        data_hash=data_hash([*material.trial.fit, *material.trial.report, *measured]),
        behaviour=fitted.counts(),
        notes=readings["balanced"].reading.notes,
        rows=tuple(found),
        curves=tuple(curves),
        categories=None if directions is None else directions.record(),
    )


def _together(first: Behaviour, second: Behaviour) -> Behaviour:
    longest = max(first.max_new_tokens, second.max_new_tokens)
    return Behaviour((*first.prompts, *second.prompts), (*first.replies, *second.replies), longest)


def _succeeded(behaviour: Behaviour, bases: Behaviour | None) -> np.ndarray:
    """Attacked prompts that are accepted, and whose request, where it is known, is refused."""
    accepted_anyway: set[str | None] = set()
    if bases is not None:
        pairs = zip(bases.prompts, bases.replies, strict=True)
        accepted_anyway = {one.id for one, reply in pairs if reply.accepted}
    return np.array(
        [
            reply.accepted and one.base_id not in accepted_anyway
            for one, reply in zip(behaviour.prompts, behaviour.replies, strict=True)
        ],
        dtype=bool,
    )


def _certificates(
    model: LanguageModel,
    material: Material,
    budget: Budget,
    effort: Effort,
    folder: Path | None,
    progress: Progress,
) -> dict[Variant, Certificate]:
    """With balanced endings; with the full budget as written, too."""
    trial = material.trial
    wanted: dict[Variant, Endings] = {"balanced": "balanced"}
    if budget == "full":
        wanted = {"as_written": "as_written", **wanted}
    others = [one for one in QUESTIONS if one.text != trial.question]
    return {
        variant: certify(
            model,
            trial,
            endings=endings,
            effort=effort,
            wordings=others if budget == "full" and material.beside == "paper" else (),
            positions=budget == "full" or material.beside != "paper",
            template=True,
            folder=folder,
            progress=progress,
        )
        for variant, endings in wanted.items()
    }


def _categories(
    model: LanguageModel,
    material: Material,
    fitted: Behaviour,
    seed: int,
    folder: Path | None,
    progress: Progress,
) -> tuple[CategoryDirections | None, str | None]:
    """Directions of every category against the accepted harmless fitting prompts, or why there are none."""
    if not material.categories:
        return None, material.missing["categories"]
    with model.remembering(None if folder is None else folder / "states"):
        of_category = observe(model, material.categories, folder=folder, progress=progress)
        together = _together(of_category, fitted)
        try:
            return category_directions(model, together, seed=seed, progress=progress), None
        except TooFewPrompts as error:
            return None, str(error).splitlines()[0]


def _crossed(
    model: LanguageModel,
    material: Material,
    directions: CategoryDirections | None,
    effort: Effort,
    folder: Path | None,
    progress: Progress,
) -> tuple[list[CategoryEffect], str | None]:
    """Every category's reversed direction on questions about one, and about which."""
    items = [one.rendered(model) for one in asked(material.category_items, QUESTION)]
    if directions is None or len(items) < 2:
        return [], None
    name = str(material.category_items[0].category)
    half = len(items) // 2
    sweeper = Sweeper(model, heard(model, QUESTION), folder, effort.at_once, progress)
    found = cross_category(
        sweeper, directions, {name: (items[:half], items[half:])}, blocks=effort.blocks, seed=effort.seed
    )
    return found[name], name
