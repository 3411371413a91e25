"""Messages of OpenAI's shape become conversations, and nothing that is no text gets lost on the way."""

from latentguard.adapters.turns import conversation
from tests.adapters.conftest import IMAGE


def test_parts_of_text_become_lines():
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    assert conversation([{"role": "user", "content": parts}]) == [{"role": "user", "content": "one\ntwo"}]


def test_what_is_no_text_stays_for_whoever_judges_it():
    for parts in (
        [{"type": "text", "text": "one"}, IMAGE],
        [IMAGE],
        [],
        [{"type": "text", "text": None}],
        None,
        [3],
    ):
        assert conversation([{"role": "user", "content": parts}]) == [{"role": "user", "content": parts}]


def test_an_assistants_thoughts_are_left_out_and_a_users_are_not():
    thought = {"type": "reasoning", "reasoning": "hm"}
    said = {"type": "text", "text": "one"}
    assert conversation([{"role": "assistant", "content": [thought, said]}])[0]["content"] == "one"
    assert conversation([{"role": "user", "content": [thought, said]}])[0]["content"] == [thought, said]


def test_roles_calls_and_nothing_else_are_kept():
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    given = [
        {"role": "developer", "content": "Be brief.", "id": "x"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "content": "3", "tool_call_id": "1", "name": ""},
    ]
    assert conversation(given) == [
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "content": "3", "tool_call_id": "1"},
    ]
