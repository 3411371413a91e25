"""The certificate on two models whose truth is planted: a belief that moves answers, and one that does not.

Both answer alike, and from both the belief is read. The idle one computes its answers from the words.
"""

import pytest

import latentguard
from latentguard.causal import Certificate, Effort, certify, default_trial
from latentguard.organism import path, planted_circuit


@pytest.fixture(scope="module")
def idle() -> Certificate:
    model = latentguard.load("organism-idle", dtype="float32")
    effort = Effort(blocks=(2, 5), scales=(1.0,), random=3, shuffled=1)
    return certify(model, default_trial(model, fitted=16, each=12), effort=effort)


def test_an_idle_belief_is_readable_and_not_causal_and_the_planted_decision_is_causal(idle: Certificate):
    said = {one.belief: one for one in idle.verdicts}
    assert said["harmfulness"].said == "readable, not causal", said["harmfulness"].why
    assert said["refusal"].said == "causal", said["refusal"].why
    assert idle.readable["harmfulness"].low > 0.9


def test_the_idle_organism_answers_as_truly_as_the_other(idle: Certificate):
    for found in idle.experiments:
        assert found.competence.harmful.affirmed >= 22
        assert found.competence.harmless.denied >= 22


def test_the_record_of_the_idle_weights_says_that_harm_is_not_planted():
    circuit = planted_circuit(path(idle=True))
    assert circuit.harmfulness is None
    assert (circuit.decision.slot, circuit.decision.position) == (6, "t_post_inst")
