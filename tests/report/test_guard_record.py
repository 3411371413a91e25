"""The guard of an audit, and the same guard fitted as written beside it."""

from dataclasses import dataclass, replace

import pytest

from latentguard.beliefs import Behaviour
from latentguard.guard import METHODS, Guard
from latentguard.lm import runner
from latentguard.report.audit_data import AuditData
from latentguard.report.guard_record import SCORES, FittedGuard, fit_guard, guard_record, misread
from latentguard.report.ranking import auroc
from latentguard.report.readings import observe_all
from tests.guard.toy import toy_prompts
from tests.lm.tiny import tiny


@pytest.fixture(scope="module")
def data() -> AuditData:
    prompts = toy_prompts(range(40))
    of_label = {label: [one for one in prompts if one.label == label] for label in ("harmful", "harmless")}
    return AuditData.of_lists(*of_label.values(), name="toy prompts")


@dataclass
class Counted:
    """A guard of an audit, and how many prompts were run before and after the fit as written began."""

    found: FittedGuard
    measured: Behaviour
    before: int
    after: int


@pytest.fixture(scope="module")
def counted(data) -> Counted:
    model = tiny("Qwen3", seed=3)
    run: list[int] = []
    begun: list[int] = []
    capture, fit = runner.capture, Guard.fit

    def counting(blocks, prompts, *arguments, **options):
        run.append(len(prompts))
        return capture(blocks, prompts, *arguments, **options)

    def noting(*arguments, **options):
        begun.append(sum(run))
        return fit(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch, model.remembering():
        patch.setattr(runner, "capture", counting)
        patch.setattr(Guard, "fit", noting)
        observed = observe_all(model, data)
        found = fit_guard(model, data, observed)
    assert len(begun) == 2
    return Counted(found, observed.measured, before=begun[1], after=sum(run) - begun[1])


def test_the_guard_as_written_costs_no_forward_pass(counted):
    assert counted.before > 0
    assert counted.after == 0


def test_the_guard_as_written_is_one_more_row_on_the_same_prompts(counted, data):
    rows = {row.key: row for row in guard_record(counted.found).rows}
    own, other = rows["guard"], rows["as_written"]
    scores = [verdict.score for verdict in counted.found.as_written.verdicts]
    assert other.auroc == auroc(data.measured, scores)
    assert other.auroc.n == own.auroc.n
    above = other.guard_minus_this
    assert above.value == pytest.approx(own.auroc.value - other.auroc.value)
    assert above.low <= above.value <= above.high
    assert other.curve is not None


def test_the_guard_as_written_is_fitted_on_prompts_with_their_own_endings(counted):
    assert guard_record(counted.found).endings == "balanced"
    scores = [one.scores for one in (counted.found.evaluation.guard, counted.found.as_written.guard)]
    assert scores[0] != scores[1]


def test_a_misread_prompt_keeps_the_score_that_decided_and_not_its_belief(counted):
    evaluation = counted.found.evaluation
    believed = tuple(replace(verdict, harmfulness=99.0) for verdict in evaluation.verdicts)
    found = replace(counted.found, evaluation=evaluation.model_copy(update={"verdicts": believed}))
    scores = dict(
        zip((prompt.text for prompt in evaluation.prompts), evaluation.guard.scores[0], strict=True)
    )
    rows, total = misread(found, counted.measured)
    assert total >= len(rows) > 0
    for row in rows:
        assert row.score == scores[row.prompt]
        assert (row.score >= evaluation.threshold) == (row.label == "harmless")


def test_every_method_says_what_its_score_is():
    assert set(SCORES) == set(METHODS)
    assert "belief" not in " ".join(SCORES.values())
