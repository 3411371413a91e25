"""The guard of an audit: fitted and chosen on its parts, measured on the others, written down."""

from dataclasses import dataclass
from typing import Final

from latentguard._progress import Progress, silent
from latentguard.beliefs import Behaviour
from latentguard.guard import Evaluation, Guard, Measured, Row
from latentguard.lm import LanguageModel
from latentguard.report.audit_data import AuditData
from latentguard.report.readings import Observed
from latentguard.report.roc_curve import roc_curve
from latentguard.report.schema import Cell, GuardGroup, GuardRecord, GuardRow, Misread

_NAMES: Final = {
    "guard": ("guard", "harmfulness read from the model’s hidden states"),
    "untrained": ("untrained copies", "the same guard on fresh random weights of the same model"),
    "tfidf": ("TF-IDF + logistic", "the words of the prompt alone"),
    "refusal_belief": ("refusal belief", "is the model going to refuse, read at t_post_inst"),
    "final_punctuation": ("final punctuation", "how the prompt ends, nothing else"),
    "length": ("length", "number of characters"),
    "permuted_labels": ("permuted labels", "the guard fitted on shuffled labels"),
}
MOST_MISREAD: Final = 12
"""Misread prompts shown of each label."""


@dataclass(frozen=True, slots=True)
class FittedGuard:
    """A guard, and how it did on prompts that it has not seen."""

    guard: Guard
    evaluation: Evaluation


def fit_guard(
    model: LanguageModel,
    data: AuditData,
    observed: Observed,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> FittedGuard:
    """Fit on the train part, choose on the validation part, measure on the others; no new replies."""
    guard = Guard.fit(model, data.split, behaviour=observed.fitting, seed=seed, progress=progress)
    measured = observed.measured
    evaluation = guard.evaluate(measured.prompts, behaviour=measured, seed=seed, progress=progress)
    return FittedGuard(guard, evaluation)


def guard_record(found: FittedGuard) -> GuardRecord:
    """The evaluation as the report shows it, baselines in the order in which a reader needs them."""
    evaluation, manifest = found.evaluation, found.guard.manifest
    fitted, data = manifest.fitted, manifest.data
    measured = {one.name: one for one in (evaluation.guard, *evaluation.baselines)}
    order = [
        *(name for name in _NAMES if name in measured),
        *(name for name in measured if name not in _NAMES),
    ]
    return GuardRecord(
        method=fitted.method.replace("_", " "),
        positions=fitted.positions,
        slots=fitted.slots,
        slots_chosen_on=f"{data.validation_harmful + data.validation_harmless} validation prompts, "
        f"the best of {fitted.considered} choices",
        endings=fitted.endings,
        threshold=evaluation.threshold,
        fitted_on=f"{data.train_harmful} harmful and {data.train_harmless} harmless prompts",
        rows=tuple(_row(measured[name], evaluation) for name in order),
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
                belief=verdict.harmfulness,
                probability=verdict.probability,
                category=prompt.category,
                source=prompt.source,
                attack=prompt.attack,
            )
            for prompt, verdict in of_label[:MOST_MISREAD]
        )
    return tuple(shown), len(wrong)


def _row(one: Measured, evaluation: Evaluation) -> GuardRow:
    name, meaning = _NAMES.get(one.name, (one.name.replace("_", " "), ""))
    if one.copies > 1:
        meaning += f"; mean of {one.copies}"
    harmful = [prompt.label == "harmful" for prompt in evaluation.prompts]
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
