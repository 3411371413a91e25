"""What is measured on was neither trained on, fitted on, nor chosen on."""

import pytest

from latentguard.organism import PROMPT_KINDS, decision
from latentguard.organism.world import idiom_pairs, risk_pairs, topic_pairs
from latentguard.verify.classes import ASKED, CLASSES, FITTED, INVERSIONS, TESTED, VALIDATED, Parts, drawn


@pytest.fixture(scope="module")
def every() -> list[Parts]:
    return drawn((*CLASSES, *INVERSIONS), seed=0)


def test_every_class_is_tested_on_two_hundred_different_prompts(every: list[Parts]) -> None:
    assert TESTED >= 200
    for parts in every:
        tested = ASKED if parts.planted in INVERSIONS else TESTED
        assert [len(parts.fit), len(parts.validation), len(parts.test)] == [FITTED, VALIDATED, tested]
        assert len({prompt.messages for prompt in parts.test}) == tested


def test_more_questions_are_asked_than_are_turned() -> None:
    """At the least that is asked of inversion answers, 97 %, two hundred true ones remain."""
    assert ASKED * 0.97 >= TESTED


def test_every_kind_of_prompt_is_measured_in_every_truth_it_has() -> None:
    """A wrapping, the topic or a second turn is no sign of harm: each stands in a class of either truth."""
    of_one_truth = {"harmful": {True}, "harmless": {False}, "idioms": {False}, "ordinary": {False}}
    measured = {(planted.kind, planted.harmful) for planted in (*CLASSES, *INVERSIONS)}
    assert measured == {
        (kind, harmful) for kind in PROMPT_KINDS for harmful in of_one_truth.get(kind, {True, False})
    }
    assert len({planted.name for planted in (*CLASSES, *INVERSIONS)}) == len(measured)


def test_a_wrapped_harmless_act_is_wrapped(every: list[Parts]) -> None:
    """The twins say what their harmful namesakes say around the act."""
    for parts in every:
        if parts.planted.kind in ("nonsense_suffix", "persuasion", "role_play"):
            assert {prompt.attack for prompt in parts.test} == {parts.planted.kind}
        if parts.planted.kind == "obeyed_topic":
            assert {prompt.source for prompt in parts.test} == {"organism/obeyed_topic"}


def test_the_three_parts_share_no_pair_in_any_class(every: list[Parts]) -> None:
    fit, validation, test = (
        {prompt.base_id for parts in every for prompt in getattr(parts, part)}
        for part in ("fit", "validation", "test")
    )
    assert not fit & validation
    assert not fit & test
    assert not validation & test


def test_no_tested_pair_was_trained_on(every: list[Parts]) -> None:
    trained = {p.name for p in (*risk_pairs(), *topic_pairs(), *idiom_pairs()) if not p.held_out}
    tested = {str(prompt.base_id).removeprefix("organism/") for parts in every for prompt in parts.test}
    assert not trained & tested


def test_every_prompt_has_the_planted_label_of_its_class(every: list[Parts]) -> None:
    for parts in every:
        label = "harmful" if parts.planted.harmful else "harmless"
        assert {prompt.label for prompt in (*parts.fit, *parts.validation, *parts.test)} == {label}


def test_the_planted_decision_is_the_grammars() -> None:
    kinds = {"harmful": "direct", "harmless": "direct", "two_turn": "direct", "idioms": "idiom"}
    for planted in CLASSES:
        kind = kinds.get(planted.kind, planted.kind)
        assert planted.refused == decision(kind, planted.harmful)  # type: ignore[arg-type]
