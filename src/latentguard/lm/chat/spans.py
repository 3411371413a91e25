"""Where in a rendered prompt does each message's content stand? By structure, never by search.

The template is rendered once more with a sentinel in place of every content. What stands between the
sentinels is the template's own text; the real rendering must be exactly that text with the contents put in,
whole or stripped of outer white space. Content that looks like the template's own text cannot mislead this,
because nothing is looked for: the prompt is read from its first character on and must fit to its last.

A template may treat a content specially (Qwen3 and DeepSeek cut earlier thinking out of assistant turns).
Then the contents are exchanged for a sentinel one at a time: what differs from the real rendering is the
region of that message, and the last user turn's region must still hold its content unaltered.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from latentguard._text import inert
from latentguard.errors import PositionNotProved
from latentguard.lm.chat.messages import Message
from latentguard.lm.chat.template_text import TemplateText

_CACHED_SKELETONS = 256
_MOST_READINGS = 64


@dataclass(frozen=True, slots=True)
class Insertion:
    """Characters [start, stop) of the rendered text, put there by one message."""

    message: int
    start: int
    stop: int
    core_start: int
    """The same without outer white space; `core_start == core_stop` where nothing is left."""
    core_stop: int
    lead: int | None
    """Characters of the content that the template cut before `start`; None where it altered the content."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A rendered prompt and what each message contributed to it, in the order of the text."""

    text: str
    insertions: tuple[Insertion, ...]
    unplaced: frozenset[int] = frozenset()
    """Messages that the template treats so that no region can be given; never one that was asked for."""

    def of(self, message: int) -> Insertion:
        """The one insertion of a message. Messages that `place` was asked to place have exactly one."""
        (insertion,) = (found for found in self.insertions if found.message == message)
        return insertion

    def cut(self, stop: int) -> "Placement":
        """The same up to character `stop`."""
        kept = tuple(
            replace(found, stop=min(found.stop, stop))
            for found in self.insertions
            if max(found.start, found.core_stop) <= stop
        )
        return Placement(self.text[:stop], kept, self.unplaced)


@dataclass(frozen=True, slots=True)
class _Skeleton:
    literals: tuple[str, ...]
    messages: tuple[int, ...]
    """The message whose content stands between literal i and literal i + 1."""


class Placements:
    """Places contents in one template; the template's own text is found once an order of roles."""

    def __init__(self, template: TemplateText) -> None:
        self._template = template
        self._skeletons: dict[tuple[str, ...], _Skeleton] = {}

    def place(self, messages: Sequence[Message], placed: Iterable[int]) -> Placement:
        """The placement of `messages`; those in `placed` are proved to stand there once and unaltered.

        Raises `PositionNotProved` with the evidence where that is not so.
        """
        text = self._template.text(messages)
        wanted = tuple(sorted(set(placed)))
        insertions = _fit(self._skeleton(messages), messages, text)
        if insertions is not None and all(_count(insertions, number) == 1 for number in wanted):
            return Placement(text, insertions)
        return self._one_at_a_time(messages, text, wanted)

    def _skeleton(self, messages: Sequence[Message]) -> _Skeleton:
        """Threads may render at the same time: at worst two make the same one."""
        if any(message.extra for message in messages):
            return _make_skeleton(self._template, messages)  # as large as what is in it: not to be kept
        turns = tuple(message.role for message in messages)
        found = self._skeletons.get(turns)
        if found is None:
            if len(self._skeletons) >= _CACHED_SKELETONS:
                self._skeletons.clear()
            found = self._skeletons[turns] = _make_skeleton(self._template, messages)
        return found

    def _one_at_a_time(self, messages: Sequence[Message], text: str, wanted: Sequence[int]) -> Placement:
        insertions: list[Insertion] = []
        unplaced: set[int] = set()
        for number in range(len(messages)):
            found = self._exchange(messages, number, text)
            if isinstance(found, Insertion):
                insertions.append(found)
            elif number in wanted:
                raise self._altered(messages[number], found or "nothing of it", text)
            elif found:
                unplaced.add(number)
        for number in wanted:
            region = next(found for found in insertions if found.message == number)
            if region.lead is None:
                raise self._altered(messages[number], repr(text[region.start : region.stop]), text)
        ordered = tuple(sorted(insertions, key=lambda found: (found.start, found.stop)))
        if any(left.stop > right.start for left, right in pairwise(ordered)):
            raise PositionNotProved(
                f"the chat template of {inert(self._template.name)!r} mixes the contents of messages.\n"
                f"  rendered: {inert(text, limit=400)!r}\n"
                "  No token can be said to end one of them; use another template."
            )
        return Placement(text, ordered, frozenset(unplaced))

    def _exchange(self, messages: Sequence[Message], number: int, text: str) -> Insertion | str:
        """The region of one message, or in words why it has none; empty where it is not rendered."""
        sentinel = _unused_sentinel(messages)
        exchanged = list(messages)
        exchanged[number] = messages[number].with_content(sentinel)
        probe = self._template.text(exchanged)
        times = probe.count(sentinel)
        if times == 0 and probe == text:
            return ""
        if times != 1:
            return f"its content {times} times" if times else "another text, without its content"
        before, after = probe.split(sentinel)
        fits = text.startswith(before) and text.endswith(after) and len(before) + len(after) <= len(text)
        if not fits:
            return "its content with other text around it than around any other content"
        start, stop = len(before), len(text) - len(after)
        leads = [lead for lead, kept in _forms(messages[number].content) if kept == text[start:stop]]
        return _insertion(number, text, start, stop, leads[0] if leads else None)

    def _altered(self, message: Message, what: str, text: str) -> PositionNotProved:
        return PositionNotProved(
            f"the chat template of {inert(self._template.name)!r} does not insert the {inert(message.role)} "
            "message as it is.\n"
            f"  content : {inert(message.content, limit=300)!r}\n"
            f"  inserted: {inert(what, limit=300)}\n"
            f"  rendered: {inert(text, limit=600)!r}\n"
            "  Remove what the template rewrites, or use a template that inserts the message unchanged."
        )


def _make_skeleton(template: TemplateText, messages: Sequence[Message]) -> _Skeleton:
    """The template's own text around the contents."""
    word = _word_in_none([text for message in messages for text in message.extra_texts()])
    sentinels = [f"{word}{number:05d}x" for number in range(len(messages))]
    rest = template.text(
        [message.with_content(word) for message, word in zip(messages, sentinels, strict=True)]
    )
    literals: list[str] = []
    order: list[int] = []
    end = 0
    for found in re.finditer(rf"{word}(\d{{5,}})x", rest):
        if int(found[1]) < len(messages):
            literals.append(rest[end : found.start()])
            order.append(int(found[1]))
            end = found.end()
    return _Skeleton((*literals, rest[end:]), tuple(order))


def _fit(skeleton: _Skeleton, messages: Sequence[Message], text: str) -> tuple[Insertion, ...] | None:
    """The one way in which `text` is the skeleton with the contents put in, if there is just one."""
    states: list[tuple[int, tuple[Insertion, ...]]] = [(0, ())]
    for literal, number in zip(skeleton.literals[:-1], skeleton.messages, strict=True):
        forms = _forms(messages[number].content)
        states = [
            (start + len(kept), (*found, _insertion(number, text, start, start + len(kept), lead)))
            for start, found in _after(states, literal, text)
            for lead, kept in forms
            if text.startswith(kept, start)
        ]
        if len(states) > _MOST_READINGS:
            return None
    fitting = [found for stop, found in _after(states, skeleton.literals[-1], text) if stop == len(text)]
    cores = {tuple((one.core_start, one.core_stop) for one in found) for found in fitting}
    return fitting[0] if len(cores) == 1 else None


def _after(
    states: Sequence[tuple[int, tuple[Insertion, ...]]], literal: str, text: str
) -> list[tuple[int, tuple[Insertion, ...]]]:
    return [(start + len(literal), found) for start, found in states if text.startswith(literal, start)]


def _forms(content: str) -> list[tuple[int, str]]:
    """What a template may make of `content` without altering it: (characters cut before, what is kept)."""
    forms = [(0, content)]
    for characters in (None, "\n"):
        right = content.rstrip(characters)
        left = content.lstrip(characters)
        lead = len(content) - len(left)
        forms += [(lead, content.strip(characters)), (lead, left), (0, right)]
    return list(dict.fromkeys(forms))


def _insertion(message: int, text: str, start: int, stop: int, lead: int | None) -> Insertion:
    inserted = text[start:stop]
    core_start = start + len(inserted) - len(inserted.lstrip())
    core_stop = max(core_start, start + len(inserted.rstrip()))
    return Insertion(message, start, stop, core_start, core_stop, lead)


def _count(insertions: Iterable[Insertion], message: int) -> int:
    return sum(found.message == message for found in insertions)


def _unused_sentinel(messages: Sequence[Message]) -> str:
    said = [text for message in messages for text in (message.content, *message.extra_texts())]
    return f"{_word_in_none(said)}00000x"


def _word_in_none(texts: Sequence[str]) -> str:
    """A word that stands in none of these, whoever wrote them: no text can hold a hash of itself."""
    if not any("Sentinel" in text for text in texts):
        return "Sentinel"
    digest = hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()
    return f"Sentinel{digest[:16]}n"
