"""Which prompts go back to one request: the same text, the same row, a wrapping and its plain request.

A row's `id` is its source's own. A `base_id` names a row or a pair, also of another source, as a set of
jailbreaks names the rows of the set that it wraps. A name without a letter, such as "1", is what every source
calls its first row: it is understood within its own source only.
"""

import hashlib
import unicodedata
from collections.abc import Sequence

from latentguard.data import Prompt
from latentguard.data.endings import without_ending

# What stands among final marks besides brackets, quotes and symbols: emphasis, joiners and parts of emoji.
_CLOSERS = frozenset("\"'*_>\ufe0f\u20e3")
_CLOSING_CATEGORIES = frozenset({"Pe", "Pf", "Pi", "So", "Sk", "Cf"})
_OPENERS = dict.fromkeys(map(ord, "¿¡"))


def text_hash(prompt: Prompt) -> str:
    """Short sha256 of a conversation, the same whatever its case, its white space and how its prompt ends."""
    turns = prompt.with_text(_body(prompt.text)).messages
    return _hash(*(part for turn in turns for part in (turn.role, " ".join(turn.content.casefold().split()))))


def remembered_as(prompt: Prompt) -> frozenset[str]:
    """Short hashes of a prompt's text and names: what is kept of it, so that relatives are recognised."""
    kept = {text_hash(prompt)}
    if prompt.id:
        kept |= {_hash("row", *_scope(prompt.id, prompt.source)), _hash("row of", prompt.source, prompt.id)}
    if prompt.base_id:
        kept.add(_hash("request", *_scope(prompt.base_id, prompt.source)))
    return frozenset(kept)


def recognised_by(prompt: Prompt) -> frozenset[str]:
    """Short hashes of which any one, where it was remembered, tells that `prompt` or its request was there.

    By its text; by its id in the same named source; and by what it was made from, or was made from it.
    """
    sought = {text_hash(prompt)}
    if prompt.id:
        sought.add(_hash("request", *_scope(prompt.id, prompt.source)))
        if prompt.source:
            sought.add(_hash("row of", prompt.source, prompt.id))
    if prompt.base_id:
        base = _scope(prompt.base_id, prompt.source)
        sought |= {_hash("request", *base), _hash("row", *base)}
    return frozenset(sought)


def request_numbers(prompts: Sequence[Prompt]) -> list[int]:
    """For each prompt the number of its request; prompts with one number are not independent observations.

    One number for the prompts with one `base_id`, and for the row whose `id` that is.
    """
    named = {_scope(one.base_id, one.source) for one in prompts if one.base_id}
    parents: dict[object, object] = {}

    def root(node: object) -> object:
        while (parent := parents.setdefault(node, node)) != node:
            parents[node] = parents[parent]
            node = parent
        return node

    for index, one in enumerate(prompts):
        names = {one.base_id} if one.base_id else set[str | None]()
        if one.id and _scope(one.id, one.source) in named:
            names.add(one.id)
        for name in names:
            parents[root(name)] = root(index)
    numbers: dict[object, int] = {}
    return [numbers.setdefault(root(index), len(numbers)) for index in range(len(prompts))]


def _scope(name: str, source: str | None) -> tuple[str, str | None]:
    """A name with the source within which it is understood; None for a name that reaches beyond its own."""
    return name, None if any(character.isalpha() for character in name) else f"in {source}"


def _body(text: str) -> str:
    """`text` without its final marks and the closing quotes, brackets and emoji among them."""
    text = text.translate(_OPENERS)
    while (shorter := _without_closers(without_ending(text))) != text:
        text = shorter
    return text


def _without_closers(text: str) -> str:
    end = len(text)
    while end and _closes(text[end - 1]):
        end -= 1
    return text[:end] if any(character.isalnum() for character in text[:end]) else text


def _closes(character: str) -> bool:
    return (
        character.isspace() or character in _CLOSERS or unicodedata.category(character) in _CLOSING_CATEGORIES
    )


def _hash(*parts: str | None) -> str:
    return hashlib.sha256("\x00".join(map(str, parts)).encode("utf-8", "surrogatepass")).hexdigest()[:16]
