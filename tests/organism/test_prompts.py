"""Prompts for the other rooms: different, deterministic, labelled, made of what training never saw."""

import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from latentguard.organism import (
    PROMPT_KINDS,
    PromptKind,
    audit_data,
    inversion_context,
    sample_prompts,
    training_prompts,
)
from tests.organism.asked import asked

HARMFUL: tuple[PromptKind, ...] = ("harmful", "nonsense_suffix", "persuasion", "role_play", "obeyed_topic")
HARMLESS: tuple[PromptKind, ...] = ("harmless", "idioms", "ordinary")


@pytest.mark.parametrize("kind", PROMPT_KINDS)
def test_prompts_are_different_and_the_same_for_the_same_seed(kind: PromptKind) -> None:
    prompts = sample_prompts(kind, 240, seed=1)
    assert len({prompt.messages for prompt in prompts}) == 240
    assert len({prompt.id for prompt in prompts}) == 240
    assert prompts == sample_prompts(kind, 240, seed=1)
    assert prompts != sample_prompts(kind, 240, seed=2)


@pytest.mark.parametrize("kind", PROMPT_KINDS)
def test_labels_are_those_of_the_kind(kind: PromptKind) -> None:
    labels = {prompt.label for prompt in sample_prompts(kind, 60, seed=0)}
    expected = (
        {"harmful"} if kind in HARMFUL else {"harmless"} if kind in HARMLESS else {"harmful", "harmless"}
    )
    assert labels == expected


@pytest.mark.parametrize("held_out", [True, False])
@pytest.mark.parametrize("kind", PROMPT_KINDS)
def test_pairs_of_every_turn_are_held_out_unless_asked_otherwise(kind: PromptKind, held_out: bool) -> None:
    for prompt in sample_prompts(kind, 60, seed=0, held_out=held_out):
        turns = [asked(turn.content) for turn in prompt.messages if turn.role == "user"]
        assert len(turns) == (2 if kind == "two_turn" else 1)
        assert {turn.held_out for turn in turns} == {held_out}
        assert prompt.base_id == f"organism/{turns[-1].base}"


def test_prompts_of_one_pair_share_a_base_id() -> None:
    plain = {prompt.base_id for prompt in sample_prompts("harmful", 200, seed=0)}
    wrapped = {prompt.base_id for prompt in sample_prompts("role_play", 200, seed=0)}
    assert plain & wrapped


def test_the_other_truth_of_a_kind_can_be_asked_for() -> None:
    assert {p.label for p in sample_prompts("persuasion", 30, seed=0, harmful=False)} == {"harmless"}
    assert {p.label for p in sample_prompts("inversion", 30, seed=0, harmful=True)} == {"harmful"}


def test_a_harmful_idiom_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="idioms"):
        sample_prompts("idioms", 1, seed=0, harmful=True)


def test_the_context_of_an_inversion_is_what_stands_before_the_question() -> None:
    for prompt in sample_prompts("inversion", 40, seed=0):
        context = inversion_context(prompt)
        assert prompt.text.startswith(context)
        assert context.endswith("\n")
        assert "Certainly" not in context
    with pytest.raises(ValueError, match="four questions"):
        inversion_context(sample_prompts("harmful", 1, seed=0)[0])


def test_audit_data_has_both_classes_and_every_planted_exception() -> None:
    harmful, harmless = audit_data()
    assert {prompt.label for prompt in harmful} == {"harmful"}
    assert {prompt.label for prompt in harmless} == {"harmless"}
    assert len(harmful) == len(harmless) == 200
    assert {prompt.attack for prompt in harmful} == {None, "nonsense_suffix", "persuasion", "role_play"}
    assert {"organism/obeyed_topic"} < {prompt.source for prompt in harmful}
    assert {"organism/idiom", "organism/ordinary"} < {prompt.source for prompt in harmless}


def test_no_bag_of_words_tells_harm_on_held_out_pairs() -> None:
    """The bound of the claim is 0.75; the rest of the way is fiction, which words do tell."""
    train = training_prompts(4000, seed=0)
    test = sample_prompts("harmful", 300, seed=0) + sample_prompts("harmless", 300, seed=0)
    model = make_pipeline(CountVectorizer(binary=True), LogisticRegression(max_iter=1000))
    model.fit([prompt.text for prompt in train], [prompt.label for prompt in train])
    assert model.score([prompt.text for prompt in test], [prompt.label for prompt in test]) <= 0.70
