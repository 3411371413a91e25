"""What may be given as a conversation."""

import pytest

from latentguard.errors import BadData
from latentguard.lm.chat import Message, as_messages


def test_a_bare_string_is_one_user_turn():
    assert as_messages("Name a river") == (Message("user", "Name a river"),)


def test_mappings_and_messages_mix_and_keep_their_order():
    turns = [{"role": "system", "content": "Be brief.", "weight": None}, Message("user", "Name a river")]
    assert as_messages(turns) == (Message("system", "Be brief."), Message("user", "Name a river"))


def calling(arguments: object) -> dict[str, object]:
    """A turn of the assistant that calls a function with these arguments."""
    call = {"function": {"name": "weather", "arguments": arguments}, "id": "1", "type": "function"}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


@pytest.mark.parametrize(
    ("conversation", "says"),
    [
        ([], "empty conversation"),
        ([{"role": "user"}], "is no text"),
        ([{"content": "Name a river"}], "no role"),
        ([{"role": "", "content": "Name a river"}], "no role"),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}]}], "is no text"),
        ([{"role": "assistant", "content": "", "function_call": {"name": "f"}}], "'function_call'"),
        ([{"role": "assistant", "content": "", "tool_calls": [{}]}], "names no function"),
        (
            [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "["}}]}],
            "no JSON obj",
        ),
        (
            [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": 3}}]}],
            "no JSON object",
        ),
        ([{"role": "tool", "content": "a", "name": ["f"]}], "'name' of message 1"),
        ([{"role": "user", "content": "a", "tools": [{"type": "function"}]}], "message 1 names no function"),
        ([{"role": "user", "content": "a", "tools": "hammer"}], "message 1 names no function"),
        ([{"role": "user", "content": "a", "tools": [{"name": "f", "of": {1}}]}], "are no JSON"),
        (
            [{"role": "user", "content": "a", "tools": [{"name": "f"}]}] * 2,
            "messages 1 and 2 .* both declare",
        ),
    ],
)
def test_what_is_no_conversation_is_bad_data(conversation, says: str):
    with pytest.raises(BadData, match=says):
        as_messages(conversation)


def nested(depth: int) -> list[dict[str, object]]:
    """A call whose arguments hold so many lists, one in the other."""
    arguments: object = "Bonn"
    for _ in range(depth):
        arguments = [arguments]
    return [calling({"town": arguments}), {"role": "user", "content": "Name a river"}]


def test_what_is_nested_too_deeply_is_bad_data():
    with pytest.raises(BadData, match="nested too deeply"):
        as_messages(nested(100_000))


def test_tool_calls_are_kept_as_templates_take_them():
    """OpenAI's clients write the arguments as text; templates write them out as an object."""
    (one,) = as_messages([calling('{"town": "Bonn"}')])
    (other,) = as_messages([calling({"town": "Bonn"})])
    assert one == other
    assert hash(one) == hash(other)
    assert one.calls_tools
    assert one.for_template() == calling({"town": "Bonn"}), "a content of None stays None"


def test_the_order_of_a_calls_arguments_is_the_callers():
    """Templates write them out as they come: sorted, they would be another prompt."""
    (message,) = as_messages([calling({"where": "Bonn", "days": 3, 7: "x"})])
    assert list(message.extras["tool_calls"][0]["function"]["arguments"]) == ["where", "days", "7"]


def test_bookkeeping_keys_are_left_out():
    assert as_messages([{"role": "user", "content": "a", "weight": 0.5, "tool_calls": None}]) == (
        Message("user", "a"),
    )
