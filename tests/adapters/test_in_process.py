"""A guard in this process: its verdicts are those of Guard.score, in one thread, whoever asks."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from latentguard.adapters import Checked, InProcess
from latentguard.errors import NonFiniteState
from tests.adapters.conftest import Watched


def test_what_is_checked_is_what_score_says(guard, conversations):
    found = InProcess(guard).check(conversations)
    assert found == [Checked.of(verdict) for verdict in guard.score(conversations)]
    assert {one.flagged for one in found} == {True, False}


def test_what_cannot_be_judged_is_flagged_with_the_reason_and_its_neighbours_are_judged(
    guard, conversations, unjudgeable
):
    mixed = [conversations[0], *unjudgeable, "word " * 100_000, conversations[1]]
    first, *bad, last = InProcess(guard).check(mixed)
    assert [first, last] == [Checked.of(one) for one in guard.score(conversations[:2])]
    assert [(one.flagged, one.probability, one.harmfulness) for one in bad] == [(True, 1.0, None)] * 4
    for one, why in zip(bad, ("images", "user", "empty", "tokens"), strict=True):
        assert why in one.unjudged


def test_nothing_asked_is_nothing_answered(guard):
    assert InProcess(guard).check([]) == []


def test_calls_that_wait_share_one_batch_and_each_gets_its_own(guard, harmful, harmless):
    batches: list[int] = []
    running, go = threading.Event(), threading.Event()

    def told(prompts: list[object]) -> None:
        batches.append(len(prompts))
        running.set()
        assert go.wait(20)

    checker = InProcess(Watched(guard, told))
    texts = [*harmful[:3], *harmless[:3]]
    with ThreadPoolExecutor(len(texts)) as threads:
        calls = [threads.submit(checker.check, [texts[0]])]
        assert running.wait(20)
        calls += [threads.submit(checker.check, [text]) for text in texts[1:]]
        while len(checker._waiting) < len(texts) - 1:
            threading.Event().wait(0.001)
        go.set()
        found = [call.result(20)[0] for call in calls]
    assert batches == [1, len(texts) - 1]
    expected = [Checked.of(one) for one in guard.score(texts)]
    assert [one.flagged for one in found] == [one.flagged for one in expected]
    assert [one.harmfulness for one in found] == pytest.approx(
        [one.harmfulness for one in expected], abs=1e-5
    )


def test_two_checkers_of_one_guard_run_in_one_thread(guard, harmless):
    idents: list[int] = []
    checkers = [InProcess(Watched(guard, lambda _: idents.append(threading.get_ident()))) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda one: one.check(harmless[:1]), checkers))
    assert len(idents) == 2
    assert len(set(idents) | {threading.get_ident()}) == 2


def test_a_failure_of_the_model_is_told_to_the_call_that_caused_it_and_to_no_other(guard, harmless):
    running, go = threading.Event(), threading.Event()

    def told(prompts: list[object]) -> None:
        if "first" in prompts:
            running.set()
            assert go.wait(20)
        if "breaks" in prompts:
            raise NonFiniteState("a hidden state is not finite.")

    checker = InProcess(Watched(guard, told))
    with ThreadPoolExecutor(3) as threads:
        calls = [threads.submit(checker.check, ["first"])]
        assert running.wait(20)
        calls += [threads.submit(checker.check, [text]) for text in ("breaks", harmless[0])]
        while len(checker._waiting) < 2:
            threading.Event().wait(0.001)
        go.set()
        with pytest.raises(NonFiniteState):
            calls[1].result(20)
        assert [call.result(20)[0].flagged for call in (calls[0], calls[2])] == [
            one.flagged for one in guard.score(["first", harmless[0]])
        ]
