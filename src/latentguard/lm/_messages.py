"""One conversation: what was said, by whom, in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from latentguard._text import inert
from latentguard.errors import BadData

# Keys of a message that templates read and that `Message` does not carry: leaving them out silently
# would render another conversation than the one given.
_UNSUPPORTED_KEYS = ("tool_calls", "function_call", "reasoning_content", "thinking")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: `role` as the chat template names it (system, user, assistant, tool), `content` as text."""

    role: str
    content: str


Conversation: TypeAlias = str | Sequence[Message | Mapping[str, str]]
"""What is given to a model: a bare string is one user turn."""


def as_messages(conversation: Conversation) -> tuple[Message, ...]:
    """The turns of `conversation`. Raises `BadData` where it is empty or a turn has no text or no role."""
    if isinstance(conversation, str):
        return (Message("user", conversation),)
    messages = tuple(_as_message(turn, number) for number, turn in enumerate(conversation, start=1))
    if not messages:
        raise BadData("an empty conversation has no prompt in it.\n  Give at least one user message.")
    return messages


def _as_message(turn: object, number: int) -> Message:
    if isinstance(turn, Message):
        return turn
    if not isinstance(turn, Mapping):
        raise BadData(
            f"message {number} of a conversation is a {type(turn).__name__}, not a message.\n"
            '  A message is {"role": "user", "content": "..."}.'
        )
    fields: Mapping[object, object] = turn
    for key in _UNSUPPORTED_KEYS:
        if fields.get(key):
            raise BadData(
                f"message {number} of a conversation carries {key!r}, which this version does not render.\n"
                "  Write what it says into the message's content, or leave the key out."
            )
    role, content = fields.get("role"), fields.get("content")
    if not isinstance(role, str) or not role:
        raise BadData(f"message {number} of a conversation has no role: {inert(repr(turn), limit=200)}")
    if not isinstance(content, str):
        raise BadData(
            f"the content of message {number} is no text: {inert(repr(content), limit=200)}\n"
            "  Only text is read; images and other parts are not supported."
        )
    return Message(role, content)
