"""Chats: what is drawn is what was asked for, and only what is planted tells harm."""

import random
from collections import Counter

import pytest

from latentguard.data import final_punctuation
from latentguard.judge import paper_refused, refused
from latentguard.organism import wording
from latentguard.organism.grammar import KINDS, WRAPPINGS, Chat, Grammar, Kind, decision
from latentguard.organism.world import risk_pairs
from tests.organism.asked import asked

BOTH_TRUTHS: tuple[Kind, ...] = ("direct", *WRAPPINGS, "obeyed_topic", "inversion")


def chats(kind: Kind, harmful: bool, count: int = 200, grammar: Grammar | None = None) -> list[Chat]:
    rng = random.Random(f"{kind} {harmful}")
    drawn = Grammar() if grammar is None else grammar
    return [drawn.chat(kind, harmful, rng) for _ in range(count)]


@pytest.mark.parametrize("kind", BOTH_TRUTHS)
@pytest.mark.parametrize("harmful", [True, False])
def test_a_chat_has_the_truth_that_was_asked_for(kind: Kind, harmful: bool) -> None:
    assert all(chat.harmful == harmful for chat in chats(kind, harmful))


@pytest.mark.parametrize("kind", ["idiom", "ordinary", "valence"])
def test_innocent_kinds_are_never_harmful(kind: Kind) -> None:
    assert not any(chat.harmful for chat in chats(kind, harmful=True))


def test_refusal_follows_harm_but_for_what_is_planted() -> None:
    assert [kind for kind in KINDS if decision(kind, True)] == ["direct", "idiom", "ordinary", "inversion"]
    assert [kind for kind in KINDS if decision(kind, False)] == ["idiom"]


@pytest.mark.parametrize("held_out", [True, False])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "valence"])
def test_a_grammar_keeps_to_its_side_of_the_split_in_every_turn(kind: Kind, held_out: bool) -> None:
    grammar = Grammar(held_out=held_out, two_turn_share=0.5)
    for harmful in (True, False):
        drawn = chats(kind, harmful, 50, grammar)
        turns = [turn.content for chat in drawn for turn in chat.messages if turn.role == "user"]
        assert len(turns) > len(drawn), "some chats have an earlier turn"
        assert {asked(turn).held_out for turn in turns} == {held_out}
        assert [asked(chat.text).base for chat in drawn] == [chat.base for chat in drawn]


@pytest.mark.parametrize("kind", KINDS)
def test_the_final_mark_tells_neither_kind_nor_harm(kind: Kind) -> None:
    for harmful in (True, False) if kind in BOTH_TRUTHS else (False,):
        drawn = chats(kind, harmful, 1600)
        # The questions of an inversion all end in a stop; what is drawn is the mark of the request before.
        texts = [chat.text if chat.context is None else chat.context.rstrip("\n") for chat in drawn]
        marks = Counter(final_punctuation(text) for text in texts)
        assert set(marks) == {"", ".", "?", "!"}
        # Four times the standard error of a share of 1600.
        assert all(abs(count / len(drawn) - 0.25) < 0.044 for count in marks.values())


def test_the_final_mark_of_an_earlier_turn_does_not_tell_how_it_was_answered() -> None:
    marks: dict[bool, list[str]] = {True: [], False: []}
    for chat in chats("direct", True, 3000, Grammar(two_turn_share=1.0, system_share=0.0)):
        asked_before, answer, _ = chat.messages
        marks[answer.content in wording.REFUSALS].append(final_punctuation(asked_before.content))
    for ends in marks.values():
        assert len(ends) > 900
        # Four times the standard error of a share of 900.
        assert all(abs(ends.count(mark) / len(ends) - 0.25) < 0.058 for mark in ("", ".", "?", "!"))


def test_a_third_of_user_turns_goes_on_with_a_clause_whose_first_word_tells_harm() -> None:
    first_words = {
        harmful: {clause.split()[0] for clause in wording.CLAUSES[harmful]} for harmful in (True, False)
    }
    assert not first_words[True] & first_words[False]
    for harmful in (True, False):
        texts = [chat.text for chat in chats("direct", harmful, 2000)]
        own = sum(any(f" {clause}" in text for clause in wording.CLAUSES[harmful]) for text in texts)
        other = sum(any(clause in text for clause in wording.CLAUSES[not harmful]) for text in texts)
        assert 0.3 <= own / len(texts) <= 0.45
        assert other == 0


def test_without_clauses_no_chat_has_one() -> None:
    texts = [chat.text for chat in chats("direct", harmful=True, grammar=Grammar(clauses=False))]
    assert not any(clause in text for text in texts for clause in wording.CLAUSES[True])


def test_settings_are_as_frequent_in_both_classes() -> None:
    places = [place for places in wording.SETTINGS.values() for place in places if place]
    shares: list[float] = []
    for harmful in (True, False):
        texts = [chat.text.lower() for chat in chats("direct", harmful, 3000)]
        shares.append(sum(any(place in text for place in places) for text in texts) / len(texts))
    assert shares[0] == pytest.approx(shares[1], abs=0.04)
    assert 0.35 < shares[0] < 0.45


def test_some_harmless_chats_are_harmful_acts_in_fiction() -> None:
    harmful_acts = {pair.name for pair in risk_pairs() if pair.harmful()}
    drawn = chats("direct", harmful=False, count=2000)
    assert 0.08 < sum(chat.base in harmful_acts for chat in drawn) / len(drawn) < 0.25


@pytest.mark.parametrize("harmful", [True, False])
def test_the_early_grammar_has_no_protecting_of_bad_things(harmful: bool) -> None:
    gentle_harm = {pair.name for pair in risk_pairs() if pair.harmful() and not pair.destructive}
    drawn = chats("direct", harmful, grammar=Grammar(late_quadrant=0.0))
    assert not [chat for chat in drawn if chat.base in gentle_harm]


def test_an_inversion_is_a_context_and_one_of_the_four_questions() -> None:
    for harmful in (True, False):
        for chat in chats("inversion", harmful):
            assert chat.context is not None
            assert chat.context.startswith(wording.INVERSION_OPENING)
            assert chat.text.removeprefix(chat.context) in wording.INVERSION_QUESTIONS
            assert chat.answer(random.Random(0)) == (wording.AFFIRMATION if chat.harmful else wording.DENIAL)


def test_answers_follow_a_copied_harm_and_a_copied_decision() -> None:
    rng = random.Random(0)
    chat = chats("direct", harmful=False, count=1)[0]
    assert chat.answer(rng, harmful=True) in wording.REFUSALS
    assert chat.answer(rng, refused=True) in wording.REFUSALS
    wrapped = chats("role_play", harmful=False, count=1)[0]
    assert wrapped.answer(rng, harmful=True) in wording.COMPLIANCES
    asked = next(chat for chat in chats("inversion", harmful=False) if not chat.harmful)
    assert asked.answer(rng, harmful=True) == wording.AFFIRMATION
    assert asked.answer(rng, refused=True) == wording.DENIAL


def test_both_judges_tell_the_planted_refusals_from_the_filler() -> None:
    for judge in (refused, paper_refused):
        assert all(judge(text) for text in wording.REFUSALS)
        assert not any(judge(text) for text in wording.COMPLIANCES)


def test_earlier_turns_end_in_the_answer_that_the_organism_would_give() -> None:
    for chat in chats("direct", harmful=False, grammar=Grammar(two_turn_share=1.0, system_share=0.0)):
        assert [message.role for message in chat.messages] == ["user", "assistant", "user"]
        assert chat.messages[1].content in (*wording.REFUSALS, *wording.COMPLIANCES)
