"""A guard behind a real server: its verdicts are those of Guard.score, and silence is no answer."""

import pytest

from latentguard.adapters import Checked, Served
from latentguard.errors import BadData, ModelNotFound


@pytest.mark.parametrize("key", ["plain-key", "research-key"])
def test_what_the_server_says_is_what_score_says(server, guard, conversations, key):
    found = Served.of(server.address, api_key=key).check(conversations)
    expected = [Checked.of(verdict) for verdict in guard.score(conversations)]
    assert [one.flagged for one in found] == [one.flagged for one in expected]
    assert [one.probability for one in found] == pytest.approx(
        [one.probability for one in expected], abs=1e-5
    )
    if key == "research-key":
        beliefs = [one.harmfulness for one in expected], [one.refusal for one in expected]
        assert [one.harmfulness for one in found] == pytest.approx(beliefs[0], abs=1e-5)
        assert [one.refusal for one in found] == pytest.approx(beliefs[1], abs=1e-5)
        assert [one.cell for one in found] == [one.cell for one in expected]
    else:
        assert {(one.harmfulness, one.refusal, one.cell) for one in found} == {(None, None, None)}


def test_more_texts_than_one_request_takes_come_back_in_order(server, guard, harmful, harmless):
    texts = [*harmful, *harmless]
    found = Served.of(f"{server.address}/v1/", api_key="plain-key").check(texts)
    assert [one.flagged for one in found] == [one.flagged for one in guard.score(texts)]


def test_what_cannot_be_judged_is_flagged_with_the_reason_and_its_neighbours_are_judged(
    server, guard, harmful, harmless, unjudgeable
):
    checker = Served.of(server.address, api_key="plain-key")
    mixed = [harmless[0], *unjudgeable, "a" * 200_000, harmful[0]]
    first, *bad, last = checker.check(mixed)
    assert (first.flagged, last.flagged) == (False, True)
    assert first.unjudged is None
    assert last.unjudged is None
    assert [(one.flagged, one.probability) for one in bad] == [(True, 1.0)] * 4
    for one, why in zip(bad, ("images", "user", "empty", "characters"), strict=True):
        assert why in one.unjudged


def test_a_server_that_does_not_answer_is_an_error(server, harmless):
    for address, key in ((server.address, "nobody's"), ("http://127.0.0.1:9", "plain-key")):
        with pytest.raises(ModelNotFound, match="did not answer"):
            Served.of(address, api_key=key, timeout_s=5).check(harmless[:1])
    with pytest.raises(ModelNotFound, match="nothing-of-the-kind"):
        Served.of(server.address, api_key="plain-key", model="nothing-of-the-kind").check(harmless[:1])


def test_an_answer_that_is_no_guards_is_an_error(harmless):
    checker = Served.of("http://127.0.0.1:9")
    for answer in ({}, {"results": [{"flagged": False, "category_scores": {}}]}, {"results": []}):
        object.__setattr__(checker, "_client", Answers(answer))
        with pytest.raises(BadData, match="answered"):
            checker.check(harmless[:1])


class Answers:
    """A client whose server answers this."""

    def __init__(self, answer):
        self.answer = answer

    def post(self, *args, **kwargs):
        return self.answer


def test_another_services_key_is_never_sent(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "a key of OpenAI's")
    monkeypatch.setenv("OPENAI_ORG_ID", "an organisation")
    checker = Served.of("http://127.0.0.1:9")
    assert not {"a key of OpenAI's", "an organisation"} & set(
        map(str, checker._client.default_headers.values())
    )
    assert checker._client.api_key == "none"
    monkeypatch.setenv("LATENTGUARD_API_KEY", "the guard's")
    assert Served.of("http://127.0.0.1:9")._client.api_key == "the guard's"
