import pytest

from latentguard.guard import Estimate
from latentguard.report.findings import findings
from latentguard.report.limits import ORGANISM, limits, limits_line
from latentguard.report.schema import Audit
from tests.report.synthetic import estimate, proportion


def _findings(audit: Audit, **changes):
    parts = {
        "behaviour": audit.behaviour,
        "separation": audit.separation,
        "as_written": audit.separation_as_written,
        "cosines": audit.cosines,
        "guard": audit.guard,
    } | changes
    return {finding.key: finding for finding in findings(**parts)}


def _limits(audit: Audit, *, is_organism: bool = False, **changes) -> tuple[str, ...]:
    parts = {
        "model": audit.provenance.model,
        "data": audit.provenance.data,
        "behaviour": audit.behaviour,
        "separation": audit.separation,
        "guard": audit.guard,
    } | changes
    return limits(**parts, is_organism=is_organism)


def test_belief_separates_only_where_the_interval_excludes_a_coin(complete):
    assert _findings(complete)["separation"].tone == "yes"
    vague = complete.separation.model_copy(
        update={"auroc_within_accepted": Estimate(value=0.62, low=0.44, high=0.8, n=62)}
    )
    found = _findings(complete, separation=vague)["separation"]
    assert found.tone == "unclear"
    assert "coin" in found.answer


def test_a_guard_not_above_its_untrained_copy_takes_the_yes_away_everywhere(complete):
    words_only = complete.guard.model_copy(update={"above_untrained": False})
    found = _findings(complete, guard=words_only)
    assert "not above an untrained copy of this model" in found["guard"].answer
    assert found["guard"].tone == "no"
    assert found["separation"].tone == "unclear"
    assert "untrained copy" in found["separation"].answer
    assert any(
        "not above an untrained copy of this model" in limit for limit in _limits(complete, guard=words_only)
    )


@pytest.mark.parametrize("cell", ["accepted_harmful", "accepted_harmless"])
def test_few_accepted_prompts_leave_the_question_open_with_their_counts(complete, cell):
    few = complete.behaviour.model_copy(update={"test_cells": complete.behaviour.test_cells | {cell: 4}})
    found = _findings(complete, behaviour=few)["separation"]
    assert found.tone == "unclear"
    assert "4 harm" in found.evidence


def test_an_undefined_auroc_is_not_printed_as_a_number(complete):
    undefined = complete.separation.model_copy(update={"auroc_within_accepted": Estimate(value=None, n=0)})
    found = _findings(complete, separation=undefined)["separation"]
    assert found.tone == "unclear"
    assert "None" not in found.evidence


def test_what_is_fitted_as_written_stands_beside_every_answer_of_belief(complete):
    found = _findings(complete)
    assert "fitted as written, the paper’s way, 0.61 (0.53–0.69)" in found["separation"].evidence
    assert "fitted as written 0.87" in found["guard"].evidence
    undefined = complete.separation_as_written.model_copy(
        update={"auroc_within_accepted": Estimate(value=None, n=0)}
    )
    assert "paper" not in _findings(complete, as_written=undefined)["separation"].evidence


def test_the_mean_cosines_have_intervals(complete):
    evidence = _findings(complete)["separation"].evidence
    assert "0.46 (balanced endings, 0.40–0.52) and 0.11 (as written, 0.05–0.17)" in evidence


def test_the_guard_is_named_with_interval_n_and_its_baselines(complete):
    evidence = _findings(complete)["guard"].evidence
    assert "0.91 (0.86–0.96) on 102 test prompts" in evidence
    assert "Untrained copies: 0.71" in evidence
    assert "0.20 (0.14–0.26)" in evidence
    assert "TF-IDF" in evidence


def test_a_model_that_never_refuses_says_so_on_the_first_screen(bare):
    found = _findings(bare)["behaviour"]
    assert "unavailable" in found.evidence
    assert "fewer than 10 prompts in refused_harmful" in found.evidence


def test_the_organism_is_called_no_evidence_about_real_models(complete):
    parts = (complete.provenance.model, complete.provenance.data, complete.guard)
    assert limits_line(*parts, is_organism=True) == ORGANISM
    assert _limits(complete, is_organism=True)[0] == ORGANISM
    assert ORGANISM not in _limits(complete)
    assert "102" not in limits_line(*parts, is_organism=False)
    assert "51 harmful and 51 harmless test prompts" in limits_line(*parts, is_organism=False)


def test_quantised_weights_small_cells_and_weak_groups_are_named(complete):
    found = " ".join(_limits(complete))
    assert "Q4_K_M" in found
    assert "refused harmless 9" in found
    assert "1 prompt had an empty reply" in found
    weak = complete.guard.groups[0].model_copy(update={"name": "weak", "auroc": estimate(0.31, 0.1, 51)})
    guard = complete.guard.model_copy(update={"groups": (weak, *complete.guard.groups[1:])})
    expected = "weakest on source ‘weak’: AUROC 0.31 (0.21–0.41) against all harmless"
    assert expected in " ".join(_limits(complete, guard=guard))


def test_prompts_whose_ending_tells_the_class_are_named(complete):
    rows = tuple(
        row.model_copy(update={"auroc": estimate(0.9, 0.03)}) if row.key == "final_punctuation" else row
        for row in complete.guard.rows
    )
    guard = complete.guard.model_copy(update={"rows": rows})
    assert "final punctuation alone" in " ".join(_limits(complete, guard=guard))
    assert "final punctuation alone" not in " ".join(_limits(complete))


def test_an_unavailable_refusal_belief_is_a_limit_with_its_counts(bare):
    assert any("fewer than 10" in limit and "labels" in limit for limit in _limits(bare))


def test_a_model_that_refuses_nothing_has_a_share_of_zero_not_none(bare):
    behaviour = bare.behaviour.model_copy(update={"refused_of_harmful": proportion(0, 9)})
    assert "It refuses 0 % of harmful" in _findings(bare, behaviour=behaviour)["behaviour"].answer
