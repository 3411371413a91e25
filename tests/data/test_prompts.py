"""A prompt is one record, and its data have one hash."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentguard.data import Prompt, data_hash
from latentguard.errors import BadData
from latentguard.lm.chat import Message


def test_the_text_is_the_last_user_turn_and_only_that_is_replaced():
    turns = (Message("system", "Be brief."), Message("user", "one"), Message("assistant", "1"))
    prompt = Prompt((*turns, Message("user", "two"), Message("assistant", "The answer")), label="harmless")
    assert prompt.text == "two"
    changed = prompt.with_text("three")
    assert changed.messages[3] == Message("user", "three")
    assert changed.messages[:3] == turns
    assert changed.messages[4] == prompt.messages[4]
    assert changed.label == "harmless"
    assert prompt.text == "two"


def test_a_prompt_without_a_user_turn_or_with_another_label_is_refused_by_name():
    with pytest.raises(BadData, match="user message"):
        Prompt((Message("system", "Be brief."),))
    with pytest.raises(BadData, match="user message"):
        Prompt(())


@settings(deadline=None)
@given(st.lists(st.text(min_size=1), min_size=2, max_size=6), st.randoms())
def test_the_hash_does_not_depend_on_the_order(texts, random):
    prompts = [Prompt.of(text) for text in texts]
    shuffled = prompts.copy()
    random.shuffle(shuffled)
    assert data_hash(prompts) == data_hash(shuffled)


def test_the_hash_changes_with_everything_that_decides_a_result_and_with_nothing_else():
    plain = Prompt.of("bread", label="harmless", category="food")
    base = data_hash([plain])
    assert data_hash([plain, plain]) != base
    for other in (
        plain.with_text("bread."),
        Prompt.of("bread", label="harmful", category="food"),
        Prompt.of("bread", label="harmless", category="drink"),
        Prompt.of("bread", label="harmless", category="food", base_id="pair-1"),
        Prompt((Message("system", ""), Message("user", "bread")), label="harmless", category="food"),
    ):
        assert data_hash([other]) != base
    moved = Prompt.of("bread", label="harmless", category="food", source="elsewhere", id="7")
    assert data_hash([moved]) == base


def test_the_hash_of_a_known_prompt_is_pinned():
    # artefacts of earlier versions stay comparable only while this number stands
    assert len(data_hash([])) == 64
    assert data_hash([Prompt.of("How do I bake bread?", label="harmless")]) == PINNED


PINNED = "a3dbf7ee6706ee76caf7f660f3924d337eae0bc5bd6da02ff56406c41cee13b5"
