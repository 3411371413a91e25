"""Messages of OpenAI's shape, in which every framework can write its own, made into conversations."""

from collections.abc import Mapping, Sequence
from typing import Any

from latentguard.lm import Conversation

_READ = ("name", "tool_calls", "tool_call_id")
_THOUGHTS = ("reasoning", "thinking", "redacted_thinking")


def conversation(messages: Sequence[Mapping[str, Any]]) -> Conversation:
    """The turns, with OpenAI's developer as the system, and content in parts of text a line each.

    Content that is no text is left as it is: whoever judges the conversation refuses it by name. What an
    assistant thought in earlier turns is left out, as templates leave it out.
    """
    return [_turn(one) for one in messages]


def _turn(message: Mapping[str, Any]) -> dict[str, Any]:
    role, content = message.get("role"), message.get("content")
    if role == "assistant" and isinstance(content, list):
        content = [one for one in content if _field(one, "type") not in _THOUGHTS] or ""
    made = {"role": "system" if role == "developer" else role, "content": _text(content)}
    return made | {name: message[name] for name in _READ if message.get(name)}


def _text(content: object) -> object:
    """The texts of a list of parts, a line each; anything else as it is."""
    if not isinstance(content, list):
        return content
    parts: list[Any] = content
    texts = [one if isinstance(one, str) else _field(one, "text") for one in parts]
    only_text = all(isinstance(one, str) or _field(one, "type") == "text" for one in parts)
    return "\n".join(texts) if texts and only_text and all(isinstance(one, str) for one in texts) else content


def _field(part: object, name: str) -> Any:
    return part.get(name) if isinstance(part, Mapping) else None
