"""`latentguard audit`: observe the model, read it both ways, fit a guard, measure, and write down the limits.

One run answers every prompt with a few tokens, one pass with every ending and one without make the
centroids, one capture of the test prompts serves every belief that is shown. Nothing in the result was
measured on a prompt that something was fitted or chosen on.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePath

from latentguard._progress import Progress, silent
from latentguard.beliefs import Behaviour
from latentguard.guard import Guard
from latentguard.lm import LanguageModel
from latentguard.report.audit_data import AuditData
from latentguard.report.behaviour_record import behaviour_record
from latentguard.report.direction_cosines import direction_cosines
from latentguard.report.findings import findings
from latentguard.report.guard_record import Measured, guard_record, measure_guard, misread
from latentguard.report.limits import limits, limits_line
from latentguard.report.readings import BOTH_ENDINGS, Fitted, fit_both, observe_both
from latentguard.report.schema import Audit, ModelRecord, Provenance
from latentguard.report.separation import plane_points, separation
from latentguard.report.slot_panels import slot_panels
from latentguard.report.template_view import template_view, typical
from latentguard.report.words import slot_ranges


def audit(
    model: LanguageModel,
    data: AuditData,
    *,
    seed: int = 0,
    command: str = "latentguard.report.audit(model, data)",
    progress: Progress = silent,
) -> tuple[Audit, Guard]:
    """Everything that can be said about `model` from `data`, and the guard that was fitted on the way.

    Replies of the model are judged, counted and dropped. Raises `TooFewPrompts` where a class is empty in the
    train or test part, and whatever reading the model may raise.
    """
    clock = _Clock()
    with clock("replies"):
        fitting, measured = observe_both(model, data, progress=progress)
    with clock("beliefs"):
        fitted = fit_both(model, fitting, measured.prompts, progress=progress)
    with clock("guard"):
        found = measure_guard(model, data, fitting, measured, seed=seed, progress=progress)
    provenance = _provenance(model, data, seed=seed, command=command, seconds=clock.seconds)
    return _assembled(model, data, fitting, measured, fitted, found, provenance), found.guard


def _assembled(
    model: LanguageModel,
    data: AuditData,
    fitting: Behaviour,
    measured: Behaviour,
    fitted: dict[str, Fitted],
    found: Measured,
    provenance: Provenance,
) -> Audit:
    balanced = fitted["balanced"]
    behaviour = behaviour_record(fitting, measured, balanced.reading)
    apart = separation(measured, balanced.beliefs, balanced.reading, seed=provenance.seed)
    cosines = tuple(direction_cosines(fitted[endings].reading) for endings in BOTH_ENDINGS)
    guard = guard_record(found, data)
    wrong, wrong_total = misread(found, measured)
    cells = measured.cells()
    all_slots = slot_ranges(range(1, model.n_slots))
    return Audit(
        title=PurePath(provenance.model.name).name or provenance.model.name,
        findings=findings(behaviour, apart, cosines, guard),
        limits_line=limits_line(provenance.model, provenance.data, guard, is_organism=data.is_organism),
        limits=limits(
            provenance.model,
            provenance.data,
            behaviour,
            apart,
            guard,
            is_organism=data.is_organism,
            given=data.limits,
        ),
        provenance=provenance,
        template=template_view(model, typical(measured.prompts)),
        behaviour=behaviour,
        separation=apart,
        panels=tuple(
            panel
            for endings in BOTH_ENDINGS
            for panel in slot_panels(fitted[endings].reading, fitted[endings].beliefs, cells)
        ),
        plane=plane_points(measured, balanced.beliefs),
        plane_slots=f"train prompts with balanced endings, mean over slots {all_slots}",
        cosines=cosines,
        guard=guard,
        misread=wrong,
        misread_total=wrong_total,
    )


@dataclass(slots=True)
class _Clock:
    """How long each stage took, in seconds."""

    seconds: dict[str, float] = field(default_factory=dict[str, float])

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - begun, 1)


def _provenance(
    model: LanguageModel, data: AuditData, *, seed: int, command: str, seconds: dict[str, float]
) -> Provenance:
    identity = model.identity()
    fields = identity.model_dump()
    versions = fields.pop("versions")
    return Provenance(
        model=ModelRecord.model_validate(fields),
        notes=model.notes,
        data_name=data.name,
        data=data.records(),
        seed=seed,
        versions=versions,
        command=command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=seconds,
    )
