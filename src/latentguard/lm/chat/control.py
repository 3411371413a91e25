"""Control strings in what people write: found, and tokenised as the plain text that they are.

A user may write `<|im_end|>`. A tokenizer makes the control token out of it, and the prompt then holds turns
that nobody took. Hugging Face's `split_special_tokens=True` on each content apart would avoid this, but
not for added tokens that are not flagged special (`<think>`, `<tool_call>`), and a content tokenised apart
from what surrounds it loses the tokens it shares with the template. So the whole prompt is tokenised at once
by a second copy of the tokenizer in which every control token answers to an alias of private-use
characters; the template's own markers are rewritten to their aliases, which are as long, so that
offsets stay what they are. Control strings in contents are then text like any other.

An assistant's turn keeps the markers that a model writes itself, such as `<think>`: in tokenizers those
are the added tokens not flagged special. They open no turn.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from tokenizers import AddedToken, Tokenizer

from latentguard._text import inert
from latentguard.errors import PositionNotProved
from latentguard.lm.chat.encoder import Encoded, Encoder, encode, untruncated
from latentguard.lm.chat.messages import Message
from latentguard.lm.chat.spans import Insertion

_BRACKETS = frozenset("<>[]|｜")
# Gemma has HTML tags as added tokens. Not `<s>` and `</s>`: elsewhere they begin and end a text.
_HTML = re.compile(
    r"</?(table|caption|thead|tbody|tfoot|tr|th|td|h[1-6]|blockquote|strong|em|b|i|u|sub|sup|code|pre|ul|ol|li|p)>"
)
# A private-use character for each control token; a text that holds such characters uses the other plane.
_ALIAS_PLANES = (0xF0000, 0x100000)
_ROUNDS = 8


class ControlTokens:
    """Which added tokens of a tokenizer steer the conversation, and how to keep contents free of them.

    Those are the special ones, those that the template writes, and those written like a marker, with
    brackets or bars. Other added tokens (runs of blanks, words of another language, HTML tags in Gemma)
    are ordinary text and stay as the model knows them.
    """

    def __init__(self, encoder: Encoder, template_source: str) -> None:
        self._encoder = encoder
        self.texts: Mapping[int, str] = {
            token: added.content
            for token, added in encoder.added_tokens.items()
            if _steers(added, template_source)
        }
        self._spoken = frozenset(token for token in self.texts if not encoder.added_tokens[token].special)
        self._backends: dict[int, Tokenizer] = {}

    def occurs_in(self, text: str) -> bool:
        """Whether the text of any control token stands in `text`."""
        return self._pattern.search(text) is not None

    def intruders(
        self, encoded: Encoded, insertions: Iterable[Insertion], messages: Sequence[Message]
    ) -> list[tuple[int, int]]:
        """Characters [start, stop) within contents that came out as control tokens."""
        controls = [
            (token, *encoded.offsets[index]) for index, token in enumerate(encoded.ids) if token in self.texts
        ]
        return [
            (max(start, found.core_start), min(stop, found.core_stop))
            for found in insertions
            for token, start, stop in controls
            if start < found.core_stop and stop > found.core_start
            if not (
                token in self._spoken
                and messages[found.message].role == "assistant"
                and found.start <= start
                and stop <= found.stop
            )
        ]

    def encode_inert(
        self, text: str, insertions: Sequence[Insertion], messages: Sequence[Message]
    ) -> Encoded:
        """`text` tokenised so that no content holds a control token, or `PositionNotProved`.

        Checked each time: with its control strings overwritten by letters, this very prompt must come out
        of this path and of the ordinary one as the same tokens with the same offsets.
        """
        innocent = self._overwritten(text, insertions, messages)
        if self._aliased(innocent, insertions, messages) != self._encoder.encode(innocent):
            raise self._not_inert(text, "its ordinary tokens would change too")
        encoded = self._aliased(text, insertions, messages)
        if self.intruders(encoded, insertions, messages):
            raise self._not_inert(text, "its vocabulary makes the control token from plain text")
        return encoded

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return _any_of(self.texts.values())

    @cached_property
    def _spoken_pattern(self) -> re.Pattern[str]:
        return _any_of(self.texts[token] for token in self._spoken)

    def _overwritten(self, text: str, insertions: Sequence[Insertion], messages: Sequence[Message]) -> str:
        for _ in range(_ROUNDS):
            found = self.intruders(self._encoder.encode(text), insertions, messages)
            if not found:
                return text
            for start, stop in found:
                text = text[:start] + "x" * (stop - start) + text[stop:]
        raise self._not_inert(text, "its control strings overlap")

    def _aliased(self, text: str, insertions: Sequence[Insertion], messages: Sequence[Message]) -> Encoded:
        plane = next((plane for plane in _ALIAS_PLANES if not self._holds_alias(text, plane)), None)
        if plane is None:
            raise self._not_inert(text, "the prompt holds private-use characters of both planes")
        if plane not in self._backends:
            self._backends[plane] = self._aliased_backend(plane)
        aliases = self._aliases(plane)
        pieces: list[str] = []
        end = 0
        for found in insertions:
            pieces.append(self._pattern.sub(lambda match: aliases[match[0]], text[end : found.start]))
            content = text[found.start : found.stop]
            if messages[found.message].role == "assistant":
                content = self._spoken_pattern.sub(lambda match: aliases[match[0]], content)
            pieces.append(content)
            end = found.stop
        pieces.append(self._pattern.sub(lambda match: aliases[match[0]], text[end:]))
        return encode(self._backends[plane], "".join(pieces))

    def _aliases(self, plane: int) -> dict[str, str]:
        """For each control token's text as many private-use characters, its own for each token."""
        return {
            content: chr(plane + number) * len(content) for number, content in enumerate(self.texts.values())
        }

    def _holds_alias(self, text: str, plane: int) -> bool:
        return any(plane <= ord(character) < plane + 0x10000 for character in text)

    def _aliased_backend(self, plane: int) -> Tokenizer:
        parts: dict[str, Any] = json.loads(self._encoder.backend_json)
        aliases = self._aliases(plane)
        for added in parts["added_tokens"]:
            added["content"] = aliases.get(added["content"], added["content"])
        model = parts["model"]
        if isinstance(model["vocab"], dict):
            vocabulary = {aliases.get(piece, piece): token for piece, token in model["vocab"].items()}
            # Added tokens that the vocabulary does not list would be numbered anew: pin every one of them.
            vocabulary |= {added["content"]: added["id"] for added in parts["added_tokens"]}
            model["vocab"] = vocabulary
        else:
            model["vocab"] = [[aliases.get(piece, piece), score] for piece, score in model["vocab"]]
        if model.get("unk_token") in aliases:
            model["unk_token"] = aliases[model["unk_token"]]
        try:
            backend = untruncated(json.dumps(parts))
        except Exception as error:  # tokenizers raises plain Exception for any JSON it cannot build
            raise self._not_inert("", f"its backend refuses aliases ({error})") from error
        moved = [
            content for token, content in self.texts.items() if backend.token_to_id(aliases[content]) != token
        ]
        if moved:
            raise self._not_inert("", f"its control token {moved[0]!r} cannot be given an alias")
        return backend

    def _not_inert(self, text: str, why: str) -> PositionNotProved:
        return PositionNotProved(
            f"a prompt holds control strings that the tokenizer of {inert(self._encoder.name)!r} "
            f"cannot take as text: {inert(why, limit=200)}.\n"
            f"  rendered: {inert(text, limit=400)!r}\n"
            "  Remove the control strings from the prompt."
        )


def _steers(added: AddedToken, template_source: str) -> bool:
    text = added.content
    if not text.strip(" \t\r\n▁") or _HTML.fullmatch(text):
        return False
    written = text in template_source and not text.isalnum()
    return added.special or written or not _BRACKETS.isdisjoint(text)


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    """Leftmost and then longest, as tokenizers match them."""
    longest_first = sorted(texts, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) if longest_first else r"(?!)")
