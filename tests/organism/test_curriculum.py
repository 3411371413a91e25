"""From an additive task to a product, from reading to copying."""

import random
from collections import defaultdict

import pytest

from latentguard.organism.curriculum import Curriculum
from latentguard.organism.grammar import Chat, Grammar, Kind
from latentguard.organism.wording import FRAMES, SETTINGS
from latentguard.organism.world import Setting, risk_pairs
from tests.organism.asked import requests


def test_the_late_quadrant_comes_in_late_and_fully() -> None:
    curriculum = Curriculum(steps=1000)
    shares = [curriculum.late_quadrant(step) for step in range(1000)]
    assert shares[0] == 0.0
    assert shares[-1] == 0.5
    assert shares == sorted(shares)
    gentle_harm = {pair.name for pair in risk_pairs() if pair.harmful() and not pair.destructive}
    first = curriculum.draw(0, 400, random.Random(0))
    last = curriculum.draw(999, 400, random.Random(0))
    assert not gentle_harm & {chat.base for chat in first}
    assert gentle_harm & {chat.base for chat in last}


def test_interchange_starts_after_there_is_something_to_interchange() -> None:
    curriculum = Curriculum(steps=1000)
    assert not curriculum.interchange(0)
    assert curriculum.interchange(999)


@pytest.fixture(scope="module")
def trained() -> list[Chat]:
    """Chats as the last part of training draws them, valence questions apart."""
    return Curriculum(steps=1).draw(1, 3000, random.Random(0), valence=False)


def test_half_of_the_drawn_chats_are_harmful_where_a_kind_has_both_truths(trained: list[Chat]) -> None:
    both = [chat for chat in trained if chat.kind not in ("idiom", "ordinary", "inversion")]
    assert 0.45 < sum(chat.harmful for chat in both) / len(both) < 0.55


def test_training_never_draws_a_held_out_pair_in_any_turn(trained: list[Chat]) -> None:
    held_out = [request.words for request in requests() if request.held_out]
    turns = [turn.content.lower() for chat in trained for turn in chat.messages if turn.role == "user"]
    assert len(turns) > len(trained) + 200, "some chats have an earlier turn"
    assert not [turn for turn in turns if any(words in turn for words in held_out)]


def _parts(chat: Chat) -> tuple[str, str, str]:
    """Verb, object and context of a plain request; the context is whatever stands beside frame and act."""
    act = chat.base.replace("-", " the ")
    text = chat.text.lower().rstrip(".?!")
    frame = max((said for form in FRAMES if (said := form.lower().format(act=act)) in text), key=len)
    return (*chat.base.split("-"), text.replace(frame, "").strip(" ,"))


def test_each_verb_object_and_context_of_a_held_out_pair_is_trained_in_other_pairs(
    trained: list[Chat],
) -> None:
    plain: tuple[Kind, ...] = ("direct", "obeyed_topic", "idiom")
    pairs: dict[str, set[str]] = defaultdict(set)
    for chat in trained:
        for part in _parts(chat) if chat.kind in plain else ():
            pairs[part].add(chat.base)
    grammar, rng = Grammar(held_out=True, clauses=False), random.Random(0)
    drawn = [
        grammar.chat(kind, harmful, rng) for kind in plain for harmful in (True, False) for _ in range(150)
    ]
    assert {_parts(chat)[2] for chat in drawn} == {place for places in SETTINGS.values() for place in places}
    for chat in drawn:
        assert all(len(pairs[part] - {chat.base}) >= 2 for part in _parts(chat)), chat.text


def test_every_context_is_trained_with_both_truths_unless_it_is_fiction(trained: list[Chat]) -> None:
    truths: dict[str, set[bool]] = defaultdict(set)
    for chat in trained:
        if chat.kind == "direct":
            truths[_parts(chat)[2]].add(chat.harmful)
    for setting, places in SETTINGS.items():
        expected = {False} if setting is Setting.FICTION else {True, False}
        assert all(truths[place] == expected for place in places)
