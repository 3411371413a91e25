"""The guard as a guardrail of any-guardrail's own: valid is its decision, the score its probability."""

import pytest
from any_guardrail import AnyGuardrail, Guardrail, GuardrailName, GuardrailOutput

from latentguard.adapters.any_guardrail import LatentGuard


def test_it_is_a_guardrail_whose_output_is_what_score_says(guard, harmful, harmless):
    guardrail = LatentGuard(guard)
    assert isinstance(guardrail, Guardrail)
    texts = [*harmful[:3], *harmless[:3]]
    verdicts = guard.score(texts)
    found = guardrail.validate(texts)
    assert [(one.valid, one.score) for one in found] == [
        (not one.flagged, pytest.approx(one.probability, abs=1e-5)) for one in verdicts
    ]
    for text, one, verdict in zip(texts, found, verdicts, strict=True):
        alone = guardrail.validate(text)
        assert isinstance(alone, GuardrailOutput)
        assert (alone.valid, alone.action) == (one.valid, None if one.valid else "block")
        assert alone.extra["harmfulness"] == pytest.approx(verdict.harmfulness, abs=1e-5)
        assert {each.name: each.score for each in alone.categories} == pytest.approx(
            verdict.category_scores, abs=1e-5
        )
        assert alone.usage.model_id == guard.model.name
        assert alone.usage.latency_ms > 0
        assert (
            GuardrailOutput.model_validate_json(alone.model_dump_json(exclude={"raw"})).valid == alone.valid
        )


def test_a_conversation_is_judged_as_one(guard, conversations):
    guardrail = LatentGuard(guard)
    for one in conversations[2:]:
        assert guardrail.validate(one).score == pytest.approx(guard.score([one])[0].probability, abs=1e-5)


def test_what_cannot_be_judged_is_not_valid_and_says_why(guard, unjudgeable):
    guardrail = LatentGuard(guard)
    for one in unjudgeable[:2]:
        found = guardrail.validate(one)
        assert (found.valid, found.score, found.action) == (False, 1.0, "block")
        assert found.explanation
    (too_long,) = guardrail.validate(["word " * 100_000])
    assert not too_long.valid


def test_a_served_guard_flags_as_the_guard_here(server, guard, harmful, harmless):
    served = LatentGuard(server.address, api_key="plain-key")
    texts = [harmful[0], harmless[0]]
    assert [one.valid for one in served.validate(texts)] == [not one.flagged for one in guard.score(texts)]


def test_their_own_client_of_openais_endpoint_is_answered_by_the_server(server, harmful, harmless):
    own = AnyGuardrail.create(
        GuardrailName.OPENAI_MODERATION, base_url=f"{server.address}/v1", api_key="plain-key"
    )
    assert [own.validate(text).valid for text in (harmful[0], harmless[0])] == [False, True]
