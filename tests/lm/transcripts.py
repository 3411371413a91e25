"""An agent's transcript: the user asks, the assistant calls a tool, the tool answers at length."""

from typing import Any

TOWN = {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]}

QUESTION = "What is the weather in Bonn?"
DOCUMENT = "Bonn lies on the Rhine. " * 40 + "It rains there today."


def transcript(
    *, result: str = DOCUMENT, town: object = "Bonn", said: str = "", call_id: str = "abcdef123"
) -> list[dict[str, Any]]:
    """Three messages; templates that want nine characters in a call's id (Mistral's) get them."""
    call = {"id": call_id, "type": "function", "function": {"name": "weather", "arguments": {"town": town}}}
    return [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": said, "tool_calls": [call]},
        {"role": "tool", "content": result, "name": "weather", "tool_call_id": call_id},
    ]


def declaring(description: str = "The weather of a town.") -> list[dict[str, Any]]:
    """The transcript, whose first message declares the tool that is called later."""
    function = {"name": "weather", "description": description, "parameters": TOWN}
    first, *rest = transcript()
    return [{**first, "tools": [{"type": "function", "function": function}]}, *rest]
