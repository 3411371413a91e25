"""One conversation: what was said, by whom, in order."""

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from latentguard._text import inert
from latentguard.errors import BadData

_READ_BY_TEMPLATES = ("name", "reasoning_content", "thinking", "tool_call_id", "tool_calls")
"""Keys of a message that templates read beside role and content; others are bookkeeping, and left out."""
_TOOLS = "tools"
_NO_CONTENT = "no_content"
"""Marks a turn that calls tools and whose content is None, which templates tell from an empty text."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: `role` as the chat template names it (system, user, assistant, tool), `content` as text."""

    role: str
    content: str
    extra: str = ""
    """What else the template reads of this turn (tool calls and their ids, a name, earlier reasoning) and, on
    one turn, the tools declared to all of them; one JSON object, its keys in the order given, or empty."""

    @property
    def extras(self) -> dict[str, Any]:
        """`extra`, parsed."""
        return {key: value for key, value in self._marked().items() if key != _NO_CONTENT}

    @property
    def calls_tools(self) -> bool:
        """Whether this turn of the assistant ends in a call."""
        return "tool_calls" in self.extras

    @property
    def tools(self) -> list[Any]:
        """The tools that this turn declares."""
        return self._marked().get(_TOOLS, [])

    def with_content(self, content: str) -> "Message":
        """The same turn with other words."""
        return Message(self.role, content, self.extra)

    def for_template(self) -> dict[str, Any]:
        """The turn as a chat template is given it."""
        says_nothing = _NO_CONTENT in self._marked() and not self.content
        return {"role": self.role, "content": None if says_nothing else self.content, **self.extras}

    def extra_texts(self) -> Iterator[str]:
        """Every text in `extra`, the names of arguments among them."""
        return _texts(self.extras)

    def _marked(self) -> dict[str, Any]:
        return json.loads(self.extra) if self.extra else {}


Conversation: TypeAlias = str | Sequence[Message | Mapping[str, Any]]
"""What is given to a model: a bare string is one user turn."""


@contextmanager
def not_nested_too_deeply() -> Generator[None]:
    """What is nested deeper than Python can follow raises `BadData` out of the block."""
    try:
        yield
    except RecursionError:
        raise BadData("a conversation is nested too deeply to be read.") from None


def as_messages(conversation: Conversation) -> tuple[Message, ...]:
    """The turns of `conversation`. Raises `BadData` where it is empty, nested too deeply, or a turn has no
    text or no role."""
    if isinstance(conversation, str):
        return (Message("user", conversation),)
    with not_nested_too_deeply():
        messages = tuple(_as_message(turn, number) for number, turn in enumerate(conversation, start=1))
    if not messages:
        raise BadData("an empty conversation has no prompt in it.\n  Give at least one user message.")
    declaring = [number for number, message in enumerate(messages, start=1) if message.tools]
    if len(declaring) > 1:
        raise BadData(
            f"messages {declaring[0]} and {declaring[1]} of a conversation both declare tools.\n"
            "  Templates are told of one list: put all of it on the first message."
        )
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
    if fields.get("function_call"):
        raise BadData(
            f"message {number} of a conversation carries 'function_call', which no template reads any more.\n"
            '  Write it as "tool_calls": [{"type": "function", "function": {"name": ..., "arguments": ...}}].'
        )
    extras = {key: fields[key] for key in _READ_BY_TEMPLATES if fields.get(key)}
    if "tool_calls" in extras:
        extras["tool_calls"] = _calls(extras["tool_calls"], number)
    if fields.get(_TOOLS):
        extras[_TOOLS] = _declared(fields[_TOOLS], number)
    role, content = fields.get("role"), fields.get("content")
    if content is None and "tool_calls" in extras:
        content, extras[_NO_CONTENT] = "", True
    if not isinstance(role, str) or not role:
        raise BadData(f"message {number} of a conversation has no role: {inert(repr(turn), limit=200)}")
    if not isinstance(content, str):
        raise BadData(
            f"the content of message {number} is no text: {inert(repr(content), limit=200)}\n"
            "  Only text is read; images and other parts are not supported."
        )
    for key in extras.keys() - {"tool_calls", _TOOLS, _NO_CONTENT}:
        if not isinstance(extras[key], str):
            raise BadData(f"{key!r} of message {number} is no text: {inert(repr(extras[key]), limit=200)}")
    return Message(role, content, json.dumps(extras) if extras else "")


def _calls(calls: object, number: int) -> list[Any]:
    """Tool calls as templates take them: each names a function, and its arguments are an object."""
    made: list[Any] = []
    for call in cast("Sequence[object]", calls if isinstance(calls, Sequence) else [calls]):
        fields = cast("Mapping[str, Any]", call) if isinstance(call, Mapping) else {}
        function = fields.get("function")
        named = cast("Mapping[str, Any]", function) if isinstance(function, Mapping) else {}
        if not isinstance(named.get("name"), str) or not named["name"]:
            raise BadData(
                f"a tool call of message {number} names no function: {inert(repr(call), limit=200)}\n"
                '  A call is {"type": "function", "function": {"name": "...", "arguments": {...}}}.'
            )
        made.append(
            {**fields, "function": {**named, "arguments": _arguments(named.get("arguments"), number)}}
        )
    try:
        json.dumps(made)
    except (TypeError, ValueError) as error:
        raise BadData(f"the tool calls of message {number} are no JSON ({error}).") from error
    return made


def _declared(tools: object, number: int) -> list[Any]:
    """Declarations of functions, as OpenAI's clients and templates both write them."""
    made = list(cast("Sequence[object]", tools)) if isinstance(tools, list | tuple) else [tools]
    for tool in made:
        fields = cast("Mapping[str, Any]", tool) if isinstance(tool, Mapping) else {}
        function = fields.get("function", fields)
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise BadData(
                f"a tool declared with message {number} names no function: {inert(repr(tool), limit=200)}\n"
                '  A tool is {"type": "function", "function": {"name": "...", "parameters": {...}}}.'
            )
    try:
        json.dumps(made)
    except (TypeError, ValueError) as error:
        raise BadData(f"the tools declared with message {number} are no JSON ({error}).") from error
    return made


def _arguments(arguments: object, number: int) -> dict[str, Any]:
    """OpenAI's clients write the arguments as JSON text, templates write them out as an object."""
    given = arguments
    if isinstance(arguments, str):
        try:
            given = json.loads(arguments or "{}")
        except ValueError:
            given = None
    if given is None and arguments is None:
        return {}
    if not isinstance(given, Mapping):
        raise BadData(
            f"the arguments of a tool call of message {number} are no JSON object: "
            f"{inert(repr(arguments), limit=200)}"
        )
    return {str(name): value for name, value in cast("Mapping[object, Any]", given).items()}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[object, object]", value).items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from _texts(inner)
