"""What may be given as a conversation."""

import pytest

from latentguard.errors import BadData
from latentguard.lm.chat import Message, as_messages


def test_a_bare_string_is_one_user_turn():
    assert as_messages("Name a river") == (Message("user", "Name a river"),)


def test_mappings_and_messages_mix_and_keep_their_order():
    turns = [{"role": "system", "content": "Be brief.", "weight": None}, Message("user", "Name a river")]
    assert as_messages(turns) == (Message("system", "Be brief."), Message("user", "Name a river"))


@pytest.mark.parametrize(
    ("conversation", "says"),
    [
        ([], "empty conversation"),
        ([{"role": "user"}], "is no text"),
        ([{"content": "Name a river"}], "no role"),
        ([{"role": "", "content": "Name a river"}], "no role"),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}]}], "is no text"),
        ([{"role": "assistant", "content": "", "tool_calls": [{}]}], "'tool_calls'"),
    ],
)
def test_what_is_no_conversation_is_bad_data(conversation, says: str):
    with pytest.raises(BadData, match=says):
        as_messages(conversation)
