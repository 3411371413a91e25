"""An answer is read while it is written: cut over the threshold, shown to some, at no further run."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

from latentguard.errors import NonFiniteState
from latentguard.guard import Guard
from latentguard.lm import LastTokens
from latentguard.lm.replies.stepwise import Told
from latentguard.organism import audit_data, sample_prompts
from latentguard.serve.answering import Answering
from latentguard.serve.judged import By
from latentguard.serve.work import Piece
from tests.serve.conftest import Running, running
from tests.serve.test_chat import ask

LOOSE = {"guard": {"threshold": 1.0}}
"""No prompt is flagged: what is cut is cut by its answer."""


@pytest.fixture(scope="module")
def reading(guard: Guard) -> Guard:
    """The guard of these tests, taught to read answers."""
    harmful, harmless = audit_data()
    obeyed = sample_prompts("persuasion", 40, seed=9)
    return guard.fit_answers([*harmful[::2], *obeyed], harmless[::2], target_fpr=0.05, max_new_tokens=24)


@pytest.fixture(scope="module")
def server(reading: Guard) -> Iterator[Running]:
    with running(reading) as one:
        yield one


@pytest.fixture(scope="module")
def obeyed(reading: Guard) -> str:
    """A harmful request that the organism answers, and whose answer is over the threshold."""
    tried = [one.text for one in audit_data()[0][1::2] if one.attack in ("persuasion", "role_play")]
    return next(text for text in tried if any(tokens_cut(reading, text)))


def tokens_cut(guard: Guard, text: str) -> list[bool]:
    """After each token of the answer, whether a trigger of the guard has cut it."""
    trigger = guard.answers.trigger()
    assert trigger is not None
    found: list[bool] = []

    def take(_: object, states: torch.Tensor) -> None:
        found.extend(trigger.take(one.counts) for one in guard.answers.read(states))

    guard.model.generate([text], max_new_tokens=24, of_replies=LastTokens(guard.answers.slots, take))
    return found


def streamed(server: Running, text: str, key: str = "operator-key", **more: object) -> list:
    client = server.client(key)
    return list(client.chat.completions.create(**ask(text, stream=True, **more)))


def notes(pieces: list) -> list[dict]:
    """What the pieces say of the guard."""
    return [getattr(one, "guard", None) or {} for one in pieces]


def said(pieces: list) -> str:
    return "".join(one.choices[0].delta.content or "" for one in pieces if one.choices)


def test_a_stream_ends_where_the_answer_is_over_the_threshold(
    server: Running, reading: Guard, obeyed: str
) -> None:
    pieces = streamed(server, obeyed, extra_body=LOOSE)
    assert pieces[-1].choices[0].finish_reason == "content_filter"
    assert pieces[-1].guard["action"] == "cut"
    assert pieces[-1].guard["answer_flagged"] is True
    written = tokens_cut(reading, obeyed).index(True) + 1
    expected = reading.model.generate([obeyed], max_new_tokens=written)[0].text
    assert said(pieces) == expected  # up to the token that was over it, and nothing more


def test_nothing_is_shown_of_an_answer_that_was_cut_before_anybody_saw_it(
    server: Running, obeyed: str
) -> None:
    found = server.client("operator-key").chat.completions.create(**ask(obeyed, extra_body=LOOSE))
    assert found.choices[0].finish_reason == "content_filter"
    assert found.choices[0].message.content == server.state.settings.refusal_text
    assert found.guard["action"] == "cut"
    assert "answered" not in found.guard.values()


def test_a_harmless_answer_is_whole(server: Running, guard: Guard, harmless: list[str]) -> None:
    for text in harmless[:6]:
        pieces = streamed(server, text, key="plain-key")
        assert said(pieces) == guard.model.generate([text], max_new_tokens=24)[0].text
        assert pieces[-1].guard == {"answer_flagged": False}


def test_annotate_says_that_an_answer_was_over_it_and_cuts_nothing(reading: Guard, obeyed: str) -> None:
    with running(reading, policy="annotate") as server:
        found = server.client().chat.completions.create(**ask(obeyed))
        metrics = server.state.metrics.text().decode()
    assert found.choices[0].message.content == reading.model.generate([obeyed], max_new_tokens=24)[0].text
    assert found.guard["answer_flagged"] is True
    assert found.guard["action"] == "answered"
    assert 'latentguard_answers_total{outcome="over"} 1.0' in metrics


def test_beliefs_are_shown_token_by_token_to_those_who_may_see_them(
    server: Running, reading: Guard, harmless: list[str]
) -> None:
    read: list[tuple[float, float | None]] = []

    def take(_: object, states: torch.Tensor) -> None:
        read.extend((one.harmfulness, one.refusal) for one in reading.answers.read(states))

    reading.model.generate(
        [harmless[0]], max_new_tokens=24, of_replies=LastTokens(reading.answers.slots, take)
    )
    whole = server.client("research-key").chat.completions.create(**ask(harmless[0]))
    pieces = streamed(server, harmless[0], key="research-key")
    shown = [one for note in notes(pieces) for one in note.get("internals", {}).get("answer", [])]
    assert shown == whole.guard["internals"]["answer"]
    assert [one["token"] for one in shown] == list(range(1, len(read) + 1))
    assert [(one["harmfulness"], one["refusal"]) for one in shown] == [
        pytest.approx(one, abs=1e-5) for one in read
    ]
    plain = streamed(server, harmless[0], key="plain-key")
    assert not any("internals" in note for note in notes(plain))


def test_a_guard_without_thresholds_for_answers_shows_beliefs_and_cuts_nothing(
    guard: Guard, obeyed: str
) -> None:
    with running(guard) as server:
        pieces = streamed(server, obeyed, extra_body=LOOSE)
    assert said(pieces) == guard.model.generate([obeyed], max_new_tokens=24)[0].text
    assert pieces[-1].choices[0].finish_reason != "content_filter"
    assert not any("answer_flagged" in note for note in notes(pieces))
    assert any(note.get("internals", {}).get("answer") for note in notes(pieces))


def test_a_blocked_prompt_has_no_answer_to_flag_and_allow_says_nothing(
    server: Running, reading: Guard, obeyed: str, harmful: list[str]
) -> None:
    found = server.client("plain-key").chat.completions.create(**ask(harmful[0]))
    assert found.guard == {"policy": "block", "flagged": True, "action": "blocked"}
    with running(reading, policy="allow") as open_server:
        pieces = streamed(open_server, obeyed, key="plain-key")
        whole = open_server.client("plain-key").chat.completions.create(**ask(obeyed))
    assert not any(notes(pieces))
    assert whole.guard is None
    assert said(pieces) == reading.model.generate([obeyed], max_new_tokens=24)[0].text


def test_a_state_that_is_not_finite_ends_its_own_answer_and_no_other(reading: Guard) -> None:
    class Replies:
        states = {  # noqa: RUF012
            0: torch.full((len(reading.answers.slots), reading.model.hidden_size), torch.nan),
            1: torch.ones(len(reading.answers.slots), reading.model.hidden_size),
        }
        ended: list[int] = []  # noqa: RUF012

        def step(self) -> list[Told]:
            return [Told(0, "a", None, 2), Told(1, "b", None, 2)]

        def end(self, number: int) -> None:
            self.ended.append(number)

    chat = SimpleNamespace(cuts=False)
    answering = Answering(Replies(), [chat, chat], reading.answers, By.of(reading))  # type: ignore[arg-type]
    (zero, broken), (one, piece) = answering.step()
    assert (zero, one) == (0, 1)
    assert isinstance(broken, NonFiniteState)
    assert isinstance(piece, Piece)
    assert piece.text == "b"
    assert Replies.ended == [0]


def test_reading_an_answer_runs_nothing_more(
    server: Running, guard: Guard, reading: Guard, harmless: list[str]
) -> None:
    """Tokens that enter the first block while a server answers: as many with the reader as without."""
    ran: list[int] = []
    handle = reading.model.blocks.layers[0].register_forward_pre_hook(
        lambda _, arguments, keywords: ran.append((arguments or tuple(keywords.values()))[0].shape[1]),
        with_kwargs=True,
    )
    try:
        counts: list[list[int]] = []
        with running(guard) as unread:
            for one in (server, unread):
                ran.clear()
                streamed(one, harmless[0], key="plain-key")
                counts.append(list(ran))
    finally:
        handle.remove()
    assert counts[0] == counts[1]
    assert set(counts[0][1:]) == {1}  # a token a step, however long the answer is by then
