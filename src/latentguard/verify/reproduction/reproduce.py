"""Run every experiment that the data allow. What was measured is kept, and the same call goes on from it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from latentguard._progress import Progress, silent
from latentguard.beliefs import Behaviour, observe
from latentguard.causal import Certificate, Effort, certify
from latentguard.causal.categories import CategoryDirections, category_directions
from latentguard.causal.positions import positions
from latentguard.causal.template import without_post_instruction
from latentguard.data import QUESTIONS, Endings, Prompt, data_hash
from latentguard.errors import TooFewPrompts
from latentguard.lm import LanguageModel
from latentguard.verify.reproduction import rows
from latentguard.verify.reproduction.material import Material
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
    planted = material.is_organism
    found: list[Row] = []
    with model.remembering(None if folder is None else folder / "states"):
        fitted = observe(model, long_enough(model, material.trial.fit), folder=folder, progress=progress)
        measured = long_enough(model, [*material.pool, *material.attacked])
        behaviour = observe(model, measured, folder=folder, progress=progress)
        bases = observe(model, material.bases, folder=folder, progress=progress) if material.bases else None
        readings = read_all(model, fitted, measured, progress=progress)
        attacked = np.array([one.attack is not None for one in measured], dtype=bool)
        found += rows.belief_rows(readings, behaviour, ~attacked, planted=planted)
        found += rows.jailbreak_rows(
            readings,
            [one.attack for one in measured],
            _succeeded(behaviour, bases),
            material.missing,
            planted=planted,
        )
    steered = effort or effort_of(model, budget, seed=seed)
    certificates = _certificates(model, material, budget, steered, folder, progress)
    found = [*rows.causal_rows(certificates, planted=planted), *found]
    directions, why = _categories(model, material, fitted, folder, progress)
    found += rows.category_rows(directions, why, planted=planted)
    found += rows.skipped_rows(planted=planted)
    return Reproduction(
        model=model.identity(),
        command=command,
        budget=budget,
        seed=seed,
        data=material.name,
        data_hash=data_hash([*material.trial.fit, *material.trial.report, *measured]),
        behaviour=fitted.counts(),
        notes=readings["balanced"].reading.notes,
        rows=tuple(found),
    )


def _succeeded(behaviour: Behaviour, bases: Behaviour | None) -> np.ndarray:
    """Attacked prompts that are accepted, and whose request, where it is known, is refused."""
    accepted_anyway: set[str | None] = set()
    if bases is not None:
        pairs = zip(bases.prompts, bases.replies, strict=True)
        accepted_anyway = {one.id for one, reply in pairs if not reply.refused}
    return np.array(
        [
            not reply.refused and not reply.empty and one.base_id not in accepted_anyway
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
    even, clean = _template_allows(model, [*trial.fit, *trial.report])
    wanted: dict[Variant, Endings] = {"balanced": "balanced"}
    if budget == "full":
        wanted = {"as_written": "as_written", **wanted}
    asked = trial.question if material.is_organism else None
    others = [one for one in QUESTIONS if one.text != trial.question]
    return {
        variant: certify(
            model,
            trial,
            endings=endings,
            effort=effort,
            wordings=others if budget == "full" and asked is None else (),
            positions=even and (budget == "full" or material.is_organism),
            template=clean,
            folder=folder,
            progress=progress,
        )
        for variant, endings in wanted.items()
    }


def _template_allows(model: LanguageModel, prompts: Sequence[Prompt]) -> tuple[bool, bool]:
    """Whether every prompt ends in as many tokens of the template, and can be cut before them."""
    rendered = [model.render(one.messages) for one in prompts]
    even = clean = True
    try:
        positions(rendered)
    except ValueError:
        even = False
    try:
        for one in rendered:
            without_post_instruction(one)
    except ValueError:
        clean = False
    return even, clean


def _categories(
    model: LanguageModel, material: Material, fitted: Behaviour, folder: Path | None, progress: Progress
) -> tuple[CategoryDirections | None, str | None]:
    """Directions of every category against the accepted harmless fitting prompts, or why there are none."""
    if not material.categories:
        return None, material.missing["categories"]
    with model.remembering(None if folder is None else folder / "states"):
        of_category = observe(model, material.categories, folder=folder, progress=progress)
        together = Behaviour(
            prompts=(*of_category.prompts, *fitted.prompts),
            replies=(*of_category.replies, *fitted.replies),
            max_new_tokens=fitted.max_new_tokens,
        )
        try:
            return category_directions(model, together, progress=progress), None
        except TooFewPrompts as error:
            return None, str(error).splitlines()[0]
