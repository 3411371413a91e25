"""What is measured on was neither trained on, fitted on, nor chosen on."""

import pytest

from latentguard.organism import decision
from latentguard.organism.world import idiom_pairs, risk_pairs, topic_pairs
from latentguard.verify.classes import CLASSES, FITTED, INVERSIONS, TESTED, VALIDATED, Parts, drawn


@pytest.fixture(scope="module")
def every() -> list[Parts]:
    return drawn((*CLASSES, *INVERSIONS), seed=0)


def test_every_class_is_tested_on_two_hundred_different_prompts(every: list[Parts]) -> None:
    assert TESTED >= 200
    for parts in every:
        assert [len(parts.fit), len(parts.validation), len(parts.test)] == [FITTED, VALIDATED, TESTED]
        assert len({prompt.messages for prompt in parts.test}) == TESTED


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
