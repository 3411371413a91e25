"""The guard of an audit: fitted and chosen on its parts, measured on the others, written down."""

from dataclasses import dataclass
from typing import Final

from latentguard._progress import Progress, silent
from latentguard.beliefs import Behaviour
from latentguard.guard import Evaluation, Guard, Measured, Method, Row
from latentguard.lm import LanguageModel
from latentguard.report.audit_data import AuditData
from latentguard.report.ranking import difference
from latentguard.report.readings import Observed
from latentguard.report.roc_curve import roc_curve
from latentguard.report.schema import Cell, GuardGroup, GuardRecord, GuardRow, Misread
from latentguard.report.words import slot_ranges

_NAMES: Final = {
    "guard": ("guard", "harmfulness read from the model’s hidden states"),
    "as_written": (
        "fitted as written",
        "the same guard, its fitting prompts with the endings they came with",
    ),
    "untrained": ("untrained copies", "the same guard on fresh random weights of the same model"),
    "tfidf": ("TF-IDF + logistic", "the words of the prompt alone"),
    "refusal_belief": (
        "refusal belief",
        "is the model going to refuse, at t_post_inst over slots of its own",
    ),
    "final_punctuation": ("final punctuation", "how the prompt ends, nothing else"),
    "length": ("length", "number of characters"),
    "permuted_labels": ("permuted labels", "the guard fitted on shuffled labels"),
}
SCORES: Final[dict[Method, str]] = {
    "belief": "how much nearer a state lies to the mean of harmful than of harmless prompts (by cosine)",
    "mean_difference": "how far a state lies along the line between the two classes’ means, towards harmful",
    "lda": "how far a state lies along the linear discriminant of the two classes, towards harmful",
    "logistic": "the log-odds of harm by a logistic regression on states",
}
MOST_MISREAD: Final = 12
"""Misread prompts shown of each label."""


@dataclass(frozen=True, slots=True)
class FittedGuard:
    """A guard, and how it did on prompts that it has not seen."""

    guard: Guard
    evaluation: Evaluation
    as_written: Evaluation
    """The same guard, fitted and chosen on prompts with the endings they came with."""


def fit_guard(
    model: LanguageModel,
    data: AuditData,
    observed: Observed,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> FittedGuard:
    """Fit on the train part, choose on the validation part, measure on the others; no new replies.

    The guard as written reads states that are known by then, where they are remembered.
    """
    guard = Guard.fit(model, data.split, behaviour=observed.fitting, seed=seed, progress=progress)
    measured = observed.measured
    evaluation = guard.evaluate(measured.prompts, behaviour=measured, seed=seed, progress=progress)
    other = Guard.fit(
        model,
        data.split,
        endings="as_written",
        behaviour="skip",
        untrained_copies=0,
        permutations=0,
        seed=seed,
        progress=progress,
    )
    as_written = other.evaluate(measured.prompts, seed=seed, progress=progress)
    return FittedGuard(guard, evaluation, as_written)


def guard_record(found: FittedGuard) -> GuardRecord:
    """The evaluation as the report shows it, baselines in the order in which a reader needs them."""
    evaluation, manifest = found.evaluation, found.guard.manifest
    fitted, data = manifest.fitted, manifest.data
    measured = {one.name: one for one in (evaluation.guard, _as_written(found), *evaluation.baselines)}
    order = [
        *(name for name in _NAMES if name in measured),
        *(name for name in measured if name not in _NAMES),
    ]
    return GuardRecord(
        method=fitted.method.replace("_", " "),
        score=SCORES[fitted.method],
        positions=fitted.positions,
        slots=fitted.slots,
        slots_chosen_on=f"{data.validation_harmful + data.validation_harmless} validation prompts, "
        f"from {fitted.considered} choices",
        endings=fitted.endings,
        threshold=evaluation.threshold,
        fitted_on=f"{data.train_harmful} harmful and {data.train_harmless} harmless prompts",
        rows=tuple(_row(measured[name], found) for name in order),
        groups=tuple(_group(row) for row in evaluation.rows),
        above_untrained=evaluation.above_untrained,
        sentence=f"The guard is {evaluation.statement}.",
    )


def misread(found: FittedGuard, measured: Behaviour) -> tuple[tuple[Misread, ...], int]:
    """The most confident mistakes of each label, and how many there are in all."""
    cell_of: dict[int, Cell] = {
        id(measured.prompts[index]): cell for cell, members in measured.cells().items() for index in members
    }
    wrong = found.evaluation.misread()
    shown: list[Misread] = []
    for label in ("harmful", "harmless"):
        of_label = [(prompt, verdict) for prompt, verdict in wrong if prompt.label == label]
        shown.extend(
            Misread(
                prompt=prompt.text,
                label=label,
                cell=cell_of.get(id(prompt)),
                score=verdict.score,
                probability=verdict.probability,
                category=prompt.category,
                source=prompt.source,
                attack=prompt.attack,
            )
            for prompt, verdict in of_label[:MOST_MISREAD]
        )
    return tuple(shown), len(wrong)


def _as_written(found: FittedGuard) -> Measured:
    """The guard as written as one more row, and how far the guard is above it on the same draws."""
    own, other = found.evaluation.guard, found.as_written.guard
    above = difference(found.evaluation.prompts, own.scores[0], other.scores[0], seed=found.evaluation.seed)
    return other.model_copy(update={"name": "as_written", "difference": above})


def _row(one: Measured, found: FittedGuard) -> GuardRow:
    name, meaning = _NAMES.get(one.name, (one.name.replace("_", " "), ""))
    if one.copies > 1:
        meaning += f"; mean of {one.copies}"
    if one.name == "as_written":
        chosen = found.as_written
        meaning += f"; {chosen.method.replace('_', ' ')}, slots {slot_ranges(chosen.slots)}"
    harmful = [prompt.label == "harmful" for prompt in found.evaluation.prompts]
    return GuardRow(
        key=one.name,
        name=name,
        meaning=meaning,
        auroc=one.auroc,
        accuracy=one.accuracy,
        tpr_at_1_fpr=one.tpr_at_1_fpr,
        tpr_at_5_fpr=one.tpr_at_5_fpr,
        calibration_error=one.calibration_error,
        guard_minus_this=one.difference,
        curve=roc_curve(one.scores, harmful) if one.scores else None,
        unavailable=one.unavailable,
    )


def _group(row: Row) -> GuardGroup:
    return GuardGroup(
        kind=row.kind,
        name=row.name,
        harmful=row.n_harmful,
        harmless=row.n_harmless,
        flagged_harmful=row.true_positive_rate,
        flagged_harmless=row.false_positive_rate,
        auroc=row.auroc,
        against=row.against,
    )
