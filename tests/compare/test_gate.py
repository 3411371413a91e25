"""Conditions of a pipeline: what they may say, and what fails."""

import pytest

from latentguard.compare import CHANGES, Comparison, Condition, Side, Slotwise
from latentguard.errors import BadData
from latentguard.statistics import Estimate


@pytest.fixture
def comparison(organism) -> Comparison:
    nothing = Estimate(value=None, n=0)
    side = Side(
        model=organism.identity(),
        proof=organism.proved(),
        refused_of_harmful=nothing,
        refused_of_harmless=nothing,
        flagged_of_harmful=nothing,
        flagged_of_harmless=nothing,
        auroc=nothing,
    )
    changes = dict.fromkeys(CHANGES, nothing) | {
        "belief_drop": Estimate(value=0.04, low=-0.01, high=0.09, n=10)
    }
    return Comparison(
        command="",
        seed=0,
        data_hash="",
        n=10,
        fitted_on=10,
        before=side,
        after=side,
        changes=changes,
        moved={"accepted": 0, "refused": 0},
        beliefs=(Slotwise(label="harmful", before=(nothing,), after=(nothing,)),),
        v_harm_cosine=(None,),
        v_refuse_cosine=(),
        notes=(),
    )


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("belief_drop>0.05", False),
        ("belief_drop > 0.03", True),
        ("belief_drop>=0.04", True),
        ("belief_drop.high>5e-2", True),
        ("belief_drop.low<-0.02", False),
        ("belief_drop.low<=0", True),
    ],
)
def test_a_condition_is_about_the_value_or_an_end(comparison: Comparison, text: str, holds: bool):
    assert Condition.of(text).holds(comparison) is holds


def test_what_could_not_be_measured_fails(comparison: Comparison):
    condition = Condition.of("auroc_drop>0.9")
    assert condition.holds(comparison)
    assert condition.described(comparison) == "auroc_drop>0.9: it could not be measured"


@pytest.mark.parametrize(
    "text", ["", "belief_drop", "belief_drop=0.1", "accuracy>0", "belief_drop.mean>0", "belief_drop>x"]
)
def test_anything_else_is_refused_with_what_may_be_said(text: str):
    with pytest.raises(BadData, match="Changes: belief_drop, acceptance_rise"):
        Condition.of(text)
