"""`latentguard audit`: observe the model, read it both ways, fit a guard, measure, and write down the limits.

One run answers every prompt with a few tokens; every state is computed once, and serves the centroids of
both ways of fitting, the guard and every belief that is shown. Nothing in the result was measured on a
prompt that something was fitted or chosen on.
"""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePath

from latentguard._progress import Progress, silent
from latentguard.data import Endings
from latentguard.guard import Guard
from latentguard.lm import LanguageModel
from latentguard.report.audit_data import AuditData
from latentguard.report.behaviour_record import behaviour_record
from latentguard.report.direction_cosines import direction_cosines
from latentguard.report.findings import findings
from latentguard.report.guard_record import FittedGuard, fit_guard, guard_record, misread
from latentguard.report.limits import limits, limits_line
from latentguard.report.readings import BOTH_ENDINGS, Fitted, Observed, fit_both, observe_all
from latentguard.report.schema import Audit, Provenance, TemplateView
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
    data = data.thinned()
    clock = _Clock()
    with model.remembering():
        with clock("replies"):
            observed = observe_all(model, data, progress=progress)
        with clock("beliefs"):
            fitted = fit_both(model, observed.train, observed.measured.prompts, seed=seed, progress=progress)
        with clock("guard"):
            found = fit_guard(model, data, observed, seed=seed, progress=progress)
    provenance = _provenance(model, data, seed=seed, command=command, seconds=clock.seconds)
    template = template_view(model, typical(observed.measured.prompts))
    return _assembled(data, observed, fitted, found, provenance, template), found.guard


def _assembled(
    data: AuditData,
    observed: Observed,
    fitted: dict[Endings, Fitted],
    found: FittedGuard,
    provenance: Provenance,
    template: TemplateView,
) -> Audit:
    measured, seed = observed.measured, provenance.seed
    behaviour = behaviour_record(observed.fitting, measured, fitted["balanced"].reading)
    apart, apart_as_written = (
        separation(measured, fitted[endings].beliefs, fitted[endings].reading, seed=seed)
        for endings in BOTH_ENDINGS
    )
    cosines = tuple(direction_cosines(one.reading, one.cosine_draws) for one in fitted.values())
    guard = guard_record(found)
    wrong, wrong_total = misread(found, measured)
    cells = measured.cells()
    panels = [panel for one in fitted.values() for panel in slot_panels(one.reading, one.beliefs, cells)]
    model, parts = provenance.model, provenance.data
    return Audit(
        title=PurePath(model.name).name or model.name,
        findings=findings(behaviour, apart, apart_as_written, cosines, guard),
        limits_line=limits_line(model, parts, guard, is_organism=data.is_organism),
        limits=limits(model, parts, behaviour, apart, guard, is_organism=data.is_organism, given=data.limits),
        provenance=provenance,
        template=template,
        behaviour=behaviour,
        separation=apart,
        separation_as_written=apart_as_written,
        panels=tuple(panels),
        plane=plane_points(measured, fitted["balanced"].beliefs, fitted["as_written"].beliefs),
        plane_belief=f"mean layer score over slots {_all_slots(model.blocks)}; centroids of train prompts, "
        f"{panels[0].clusters}",
        cosines=cosines,
        guard=guard,
        misread=wrong,
        misread_total=wrong_total,
    )


def _all_slots(blocks: int) -> str:
    return slot_ranges(range(1, blocks + 1))


@dataclass(slots=True)
class _Clock:
    """How long each stage took, in seconds."""

    seconds: dict[str, float] = field(default_factory=dict[str, float])

    @contextmanager
    def __call__(self, stage: str) -> Generator[None, None, None]:
        begun = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - begun, 1)


def _provenance(
    model: LanguageModel, data: AuditData, *, seed: int, command: str, seconds: dict[str, float]
) -> Provenance:
    return Provenance(
        model=model.identity(),
        proof=model.proved(),
        notes=model.notes,
        data_name=data.name,
        data=data.records(),
        seed=seed,
        command=command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=seconds,
    )
