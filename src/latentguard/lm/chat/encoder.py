"""Text to tokens with character offsets, and back: a tokenizer that never cuts, pads or adds.

The tokenizer's own backend is copied, because a stored `tokenizer.json` may carry truncation or padding
(fine-tune uploads do) and because a shared one changes its settings with every call.
"""

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer
from transformers import PreTrainedTokenizerBase

from latentguard._text import inert
from latentguard.errors import BadData, ModelNotSupported

_BLANK = "▁"
# Special tokens cannot be in it, as their text differs between tokenizers; the template's markers are
# compared in every rendering that is proved by decoding.
_PROBE = "How do I  bake bread?\n\n\tIt's 350°, 面包, brød 🍞.\n"
_SAME: dict[int, int] = {}
"""One object for each token id: integers of their own would take four times the room of the tuples that hold
them."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids and, for each, the characters [start, stop) of the text that it stands for."""

    ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]

    def covering(self, start: int, stop: int) -> tuple[int, int] | None:
        """Tokens [first, stop) from the first to the last that overlap characters [start, stop), if any do.

        Overlap and not `char_to_token(stop - 1)`: after a normaliser has composed an accent, that
        character lies in no token's offsets.
        """
        found = [index for index, (a, b) in enumerate(self.offsets) if a < stop and b > start and b > a]
        return (found[0], found[-1] + 1) if found else None

    def first_after(self, character: int) -> int:
        """The first token that holds `character` or one after it; the number of tokens if none does."""
        after = (index for index, (_, stop) in enumerate(self.offsets) if stop > character)
        return next(after, len(self.ids))


def name_of(tokenizer: PreTrainedTokenizerBase) -> str:
    """A hub id, or the name of a folder without those that it lies in: messages travel farther than paths."""
    given = str(tokenizer.name_or_path or type(tokenizer).__name__)
    return Path(given).name if Path(given).is_absolute() or Path(given).exists() else given


class Encoder:
    """The tokenizer as the model meets it in a templated prompt: one call, nothing added, nothing cut."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, name: str | None = None) -> None:
        self.name = name or name_of(tokenizer)
        self.backend_json = _backend_json(tokenizer, self.name)
        self._backend = untruncated(self.backend_json)
        expected = tokenizer(_PROBE, add_special_tokens=False)["input_ids"]
        if list(self.encode(_PROBE).ids) != expected:
            raise ModelNotSupported(
                f"the tokenizer of {inert(self.name)!r} does more than its fast backend.\n"
                f"  it gives     : {str(expected)[:200]}\n"
                f"  its backend  : {str(list(self.encode(_PROBE).ids))[:200]}\n"
                "  Convert it to a plain tokenizer.json."
            )

    def encode(self, text: str) -> Encoded:
        """Ids and offsets of `text`, with every added token in it recognised."""
        return encode(self._backend, text)

    def decode(self, ids: tuple[int, ...]) -> str:
        """The text of `ids`, special tokens included, without cosmetic clean-up."""
        return self._backend.decode(list(ids), skip_special_tokens=False)

    @cached_property
    def added_tokens(self) -> Mapping[int, AddedToken]:
        """Tokens that are recognised in text before anything else, by id."""
        return self._backend.get_added_tokens_decoder()

    @cached_property
    def sha256(self) -> str:
        """Hash of everything that decides ids: model, added tokens, normaliser, pre-tokeniser."""
        parts: dict[str, Any] = json.loads(self.backend_json)
        kept = {name: parts.get(name) for name in ("added_tokens", "normalizer", "pre_tokenizer", "model")}
        return hashlib.sha256(json.dumps(kept, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    @cached_property
    def _writes_blanks(self) -> bool:
        """Whether this tokenizer takes "▁" for a blank, as sentencepiece does."""
        return _BLANK not in self.decode(self.encode(f"a{_BLANK}b").ids)

    def reads_back(self, ids: tuple[int, ...], text: str) -> bool:
        """Whether `ids` decode to `text`, up to the tokenizer's own normalisation and white space."""
        return self._squashed(self.decode(ids)) == self._squashed(text)

    def ends_at(self, encoded: Encoded, index: int, text: str, stop: int) -> bool:
        """Whether `index` is the token with which the decoded prompt first covers `text[:stop]`."""
        wanted = self._squashed(text[:stop])
        if not self._squashed(self.decode(encoded.ids[: index + 1])).startswith(wanted):
            return False
        # A replacement character is also what half a character decodes to: there the offsets must do.
        return wanted.endswith("\ufffd") or not self._squashed(self.decode(encoded.ids[:index])).startswith(
            wanted
        )

    def _squashed(self, text: str) -> str:
        normalizer = self._backend.normalizer
        normal = normalizer.normalize_str(text) if normalizer is not None else text
        if self._writes_blanks:
            normal = normal.replace(_BLANK, " ")
        # Blanks are dropped because marker tokens may swallow those beside them.
        return "".join(unicodedata.normalize("NFC", normal).split())


def encode(backend: Tokenizer, text: str) -> Encoded:
    """Ids and offsets of `text` by `backend`; `BadData` where `text` is not Unicode."""
    try:
        encoding = backend.encode(text, add_special_tokens=False)
    except (UnicodeEncodeError, TypeError) as error:
        raise BadData(
            "a prompt holds half of a surrogate pair, which is no character.\n"
            f"  prompt: {inert(text, limit=200)!r}\n"
            "  Read the file as UTF-8 with errors='replace'."
        ) from error
    return Encoded(tuple(map(_SAME.setdefault, encoding.ids, encoding.ids)), tuple(encoding.offsets))


def untruncated(backend_json: str) -> Tokenizer:
    """A tokenizer from its JSON, its stored truncation and padding switched off."""
    backend = Tokenizer.from_str(backend_json)
    backend.no_truncation()
    backend.no_padding()
    return backend


def _backend_json(tokenizer: PreTrainedTokenizerBase, name: str) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise ModelNotSupported(
            f"the tokenizer of {inert(name)!r} ({type(tokenizer).__name__}) gives no character offsets.\n"
            "  Positions are proved by offsets, which only fast tokenizers (tokenizer.json) have.\n"
            "  Convert it once with transformers.convert_slow_tokenizer and save it beside the model."
        )
    return backend.to_str()
