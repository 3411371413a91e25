"""An agent's transcript: the user asks, the assistant calls a tool, the tool answers at length."""

from typing import Any

QUESTION = "What is the weather in Bonn?"
DOCUMENT = "Bonn lies on the Rhine. " * 40 + "It rains there today."


def transcript(
    *, result: str = DOCUMENT, town: str = "Bonn", said: str = "", call_id: str = "abcdef123"
) -> list[dict[str, Any]]:
    """Three messages; templates that want nine characters in a call's id (Mistral's) get them."""
    call = {"id": call_id, "type": "function", "function": {"name": "weather", "arguments": {"town": town}}}
    return [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": said, "tool_calls": [call]},
        {"role": "tool", "content": result, "name": "weather", "tool_call_id": call_id},
    ]
