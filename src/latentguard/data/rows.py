"""One row of a file or dataset becomes one prompt, or an error that says where and why it cannot."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from latentguard._text import inert
from latentguard.data.prompts import LABELS, Label, Prompt
from latentguard.errors import BadData
from latentguard.lm.chat import Conversation, Message, as_messages

Row: TypeAlias = Mapping[str, object]
PROMPT_COLUMNS = ("messages", "prompt")
"""Looked for in this order where no column is named; a null counts as absent."""
TOOLS_COLUMN = "tools"
"""Declared to the whole conversation of a row; beside a plain prompt it is a column like any other."""
DETAIL_COLUMNS = ("category", "attack", "source", "lang", "id", "base_id")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands, for an error message: a file's line, or a dataset's row."""

    source: str
    number: int
    unit: str = "line"

    def __str__(self) -> str:
        return f"{inert(self.source)}, {self.unit} {self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns hold the prompt and its label; None where the usual names are meant."""

    prompt: str | None = None
    label: str | None = None
    labelled: bool = True
    """Whether labels are read at all."""

    def wanted(self, available: Iterable[str]) -> list[str]:
        """The columns of `available` that a prompt is made of, in their own order."""
        named = {*PROMPT_COLUMNS, TOOLS_COLUMN, *DETAIL_COLUMNS, self.prompt}
        if self.labelled:
            named |= {"label", self.label}
        return [column for column in available if column in named]

    def check(self, available: Sequence[str], place: str) -> None:
        """Raises `BadData` where `available` has no column for the prompt, or lacks a named one."""
        for column, option in ((self.prompt, "--prompt-column"), (self.label, "--label-column")):
            if column is not None and column not in available:
                raise BadData(
                    f"{place}: there is no column {column!r}.\n"
                    f"  columns: {_shown(available)}\n"
                    f"  Name one of these with {option}."
                )
        if self.prompt is None and not set(PROMPT_COLUMNS) & set(available):
            raise BadData(
                f"{place}: there is no column 'prompt' or 'messages'.\n"
                f"  columns: {_shown(available)}\n"
                "  Rename a column, or name the one that holds the prompt with --prompt-column."
            )


def _shown(columns: Sequence[str]) -> str:
    return ", ".join(inert(column, limit=60) for column in columns) or "none"


def prompts_of_rows(
    rows: Iterable[tuple[Place, Row]], *, columns: Columns, label: Label | None, source: str
) -> Iterator[Prompt]:
    """The prompts of `rows`; `label` is the caller's for all of them, `source` names rows without their own.

    Raises `BadData` with the row's place.
    """
    for place, row in rows:
        columns.check(list(row), str(place))
        details = {name: _detail(row.get(name), name, place) for name in DETAIL_COLUMNS}
        yield Prompt(
            messages=_messages(row, columns, place),
            label=_label(row.get(columns.label or "label"), label, place) if columns.labelled else label,
            **{**details, "source": details["source"] or source},
        )


def _messages(row: Row, columns: Columns, place: Place) -> tuple[Message, ...]:
    names = PROMPT_COLUMNS if columns.prompt is None else (columns.prompt,)
    present = [name for name in names if row.get(name) is not None]
    if not present:
        raise BadData(f"{place}: the prompt is null.\n  Give every row a prompt, or leave the row out.")
    name, value = present[0], row[present[0]]
    if name == "messages" and isinstance(value, str):
        value = _decoded(value, "messages", place)
    if not isinstance(value, str) and not isinstance(value, list):
        raise BadData(
            f"{place}: {name!r} is a {_kind(value)}, not a text or a list of messages.\n"
            f"  value: {inert(repr(value), limit=120)}\n"
            '  Write the prompt as a string, or {"messages": [{"role": "user", "content": "..."}]}.'
        )
    if isinstance(value, list):
        turns = cast("list[object]", value)
        value = [_turn(turn, number, place) for number, turn in enumerate(turns, start=1)]
        if name == "messages" and value and row.get(TOOLS_COLUMN):
            value[0] = {**value[0], TOOLS_COLUMN: _tools(row[TOOLS_COLUMN], place)}
    try:
        messages = as_messages(cast("Conversation", value))
    except BadData as error:
        raise BadData(f"{place}: {error}") from None
    _check_text(messages, place)
    return messages


def _turn(turn: object, number: int, place: Place) -> Mapping[str, object]:
    """A message without the fields that it has not."""
    if not isinstance(turn, Mapping):
        raise BadData(
            f"{place}: message {number} is a {_kind(turn)}, not a message.\n"
            '  A message is {"role": "user", "content": "..."}.'
        )
    fields = {str(key): value for key, value in cast("Mapping[object, object]", turn).items()}
    for key, value in fields.items():
        if value and not isinstance(value, str) and key not in ("tool_calls", TOOLS_COLUMN):
            raise BadData(
                f"{place}: {inert(key, limit=60)!r} of message {number} is a {_kind(value)}, not a text.\n"
                f"  value: {inert(repr(value), limit=120)}\n"
                "  Only text and tool calls are read; images and other parts are not supported."
            )
    return {key: value for key, value in fields.items() if value is not None}


def _tools(value: object, place: Place) -> object:
    """Declarations of tools: a list, or the same as JSON text."""
    return _decoded(value, TOOLS_COLUMN, place) if isinstance(value, str) else value


def columnar(row: Row) -> Row:
    """A row of a columnar file, where every message has the fields, and every call the arguments, of all: as
    nulls, which are left out. In other files a null within a call is the call's own."""
    return {name: _without_nulls(value) for name, value in row.items()}


def _without_nulls(value: object) -> object:
    if isinstance(value, Mapping):
        fields = cast("Mapping[object, object]", value)
        return {str(key): _without_nulls(inner) for key, inner in fields.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in cast("list[object]", value)]
    return value


def _check_text(messages: Sequence[Message], place: Place) -> None:
    users = [message for message in messages if message.role == "user"]
    if not users:
        roles = ", ".join(inert(message.role, limit=40) for message in messages)
        raise BadData(
            f"{place}: there is no user message.\n  roles: {roles}\n  The last user turn is what is read."
        )
    if not users[-1].content.strip():
        raise BadData(f"{place}: the prompt is empty.\n  Give every row a prompt, or leave the row out.")
    for message in messages:
        if any("\ud800" <= character <= "\udfff" for character in message.content):
            raise BadData(
                f"{place}: the prompt holds half of a surrogate pair, which is no character.\n"
                f"  text: {inert(message.content, limit=120)}\n"
                "  The file was written by a program that cut a text in the middle of a character."
            )


def _label(value: object, given: Label | None, place: Place) -> Label | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return given
    folded = value.strip().casefold() if isinstance(value, str) else None
    if folded not in LABELS:
        raise BadData(
            f"{place}: the label is {inert(repr(value), limit=60)}, not 'harmful' or 'harmless'.\n"
            "  Change the label, or name the column that holds it with --label-column."
        )
    if given is not None and folded != given:
        raise BadData(
            f"{place}: the row says {folded!r}, but the file was given as {given}.\n"
            f"  Take the row out, or do not give this file as {given}."
        )
    return folded


def _detail(value: object, name: str, place: Place) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise BadData(f"{place}: {name!r} is a {_kind(value)}, not a text.")
    return str(value)


def _decoded(text: str, column: str, place: Place) -> object:
    """Messages or tools written as JSON inside one cell, as CSV needs it."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        way_out = (
            "Leave the column out, or rename it."
            if column == TOOLS_COLUMN
            else 'Write [{"role": "user", "content": "..."}], or put a plain text in a column \'prompt\'.'
        )
        raise BadData(
            f"{place}: {column!r} is a text that is no JSON list.\n"
            f"  value: {inert(text, limit=120)}\n  {way_out}"
        ) from None


def _kind(value: object) -> str:
    return {"dict": "JSON object", "int": "number", "float": "number", "bool": "truth value"}.get(
        type(value).__name__, type(value).__name__
    )
