"""The rule of a certificate, on experiments made up for it."""

import pytest

from latentguard.causal.records import Competence, Controls, Effect, Experiment, Spoken
from latentguard.causal.verdict import verdict
from latentguard.statistics import Estimate

READ = Estimate(value=0.9, low=0.8, high=0.97, n=50)
UNREAD = Estimate(value=0.55, low=0.4, high=0.7, n=50)
SPOKEN = Spoken(affirmed=0, denied=25, unanswered=0)


def _effect(
    sign: str,
    above: tuple[float, float, float],
    shuffled_low: float = 0.1,
    turned_high: float | None = None,
) -> Effect:
    low, value, high = above
    beside = Controls(
        directions=20, mean=0.1, worst=0.3, above=Estimate(value=value, low=low, high=high, n=25)
    )
    shuffled = beside.model_copy(
        update={"above": Estimate(value=max(value, shuffled_low), low=shuffled_low, high=1.0, n=25)}
    )
    return Effect(
        arm="v_harm",
        sign=sign,
        block=3,
        scale=1.0,
        scope="context",
        chosen="",
        turned=Estimate(value=value + 0.1, low=value + 0.05, high=turned_high or high + 0.1, n=25),
        before=SPOKEN,
        after=SPOKEN,
        random=beside,
        shuffled=shuffled,
    )


def _experiment(*effects: Effect, competent: bool = True) -> Experiment:
    return Experiment(
        task="inversion",
        question=None,
        competence=Competence(harmful=SPOKEN, harmless=SPOKEN, competent=competent, why="0.10 of both"),
        curves=(),
        effects=effects,
        apart=(),
        selected_on=50,
        reported_on=50,
    )


SURE, SMALL, OPEN, NOTHING = (0.5, 0.7, 0.9), (0.02, 0.1, 0.2), (-0.1, 0.2, 0.5), (-0.05, 0.0, 0.05)


@pytest.mark.parametrize(
    ("effects", "readable", "said"),
    [
        ((_effect("+", SURE), _effect("-", NOTHING)), READ, "causal"),
        ((_effect("+", NOTHING), _effect("-", SURE)), READ, "causal"),
        ((_effect("+", SURE),), UNREAD, "causal"),
        ((_effect("+", SURE, shuffled_low=-0.1), _effect("-", NOTHING)), READ, "inconclusive"),
        ((_effect("+", NOTHING), _effect("-", SMALL)), READ, "readable, not causal"),
        ((_effect("+", NOTHING), _effect("-", OPEN)), READ, "inconclusive"),
        ((_effect("+", NOTHING, turned_high=0.5), _effect("-", NOTHING)), READ, "inconclusive"),
        ((_effect("+", NOTHING), _effect("-", NOTHING)), UNREAD, "not readable"),
    ],
)
def test_the_rule(effects: tuple[Effect, ...], readable: Estimate, said: str):
    assert verdict("harmfulness", readable, [_experiment(*effects)]).said == said


def test_a_model_that_cannot_answer_is_inconclusive_and_never_negative():
    found = verdict("harmfulness", READ, [_experiment(competent=False)])
    assert found.said == "inconclusive"
    assert "cannot do the task: 0.10 of both" in found.why


def test_without_its_task_or_its_direction_nothing_is_concluded():
    assert verdict("refusal", READ, [_experiment(_effect("+", SURE))]).said == "inconclusive"
    assert verdict("refusal", None, []).why == "there is no such direction"
