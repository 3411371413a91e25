"""What a reply says to its reader: thinking taken out, one typography, quotations set apart."""

import re
import unicodedata

_TAGS = "think|thinking|thought|thoughts|reasoning|reflection|analysis|scratchpad|seed:think"
_THINKING = re.compile(
    rf"<({_TAGS})>.*?(?:</\1>|\Z)"
    r"|\[THINK\].*?(?:\[/THINK\]|\Z)"
    r"|<\|begin_of_thought\|>.*?(?:<\|end_of_thought\|>|\Z)"
    r"|<\|channel\|>(?:analysis|commentary).*?(?:<\|end\|>|<\|channel\|>final|\Z)"
    r"|\Aanalysis(?=[A-Z]).*?(?:assistantfinal|\Z)",
    re.IGNORECASE | re.DOTALL,
)
# A template may have opened the block itself, so that the reply only closes it.
_CLOSES_ONLY = re.compile(
    rf"\A.*(?:</(?:{_TAGS})>|\[/THINK\]|<\|end_of_thought\|>)", re.IGNORECASE | re.DOTALL
)
_SPECIAL_TOKENS = re.compile(r"<\|channel\|>final|<\|[^|<>]{1,40}\|>|</?s>|<(?:start|end)_of_turn>")

READ_CHARACTERS = 3000
"""Enough for the opening of a reply and what follows it; the rest is never looked at."""

_APOSTROPHES = dict.fromkeys(map(ord, "’‘‛ʼʹ´`′＇"), "'")
_QUOTES = dict.fromkeys(map(ord, "“”„‟«»「」『』〝〞＂〈〉《》"), '"')
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200e\u200f\u2060\ufeff\u00ad"), None)
_EMPHASIS = re.compile(r"\*\*|__|~~|^\s*(?:#{1,6}|>)\s+", re.MULTILINE)

_QUOTATION = re.compile(r'"[^"]*(?:"|\Z)')
_SINGLE_QUOTATION = re.compile(
    r"(?<![\w'])'(?=\w)[^\n]*?(?<![\s'])'(?!\w)"  # closed: it's and don't hold no quotation
    r"|(?:(?<=[:,]\s)|(?<=say\s)|(?<=says\s)|(?<=saying\s)|(?<=with\s)|(?<=like\s))'(?=\w).*\Z",  # cut off
    re.DOTALL,
)
_LINE_QUOTED = re.compile(r'\A\s*"(?P<inside>[^"\n]*)"?[ \t]*(?=\n|\Z)|\A\s*"(?P<block>[^"]*)"?\s*\Z')


def without_thinking(text: str) -> str:
    """`text` without its thinking blocks, closed or cut off, and without control tokens."""
    answered = _THINKING.sub(" ", text)
    return _SPECIAL_TOKENS.sub(" ", _CLOSES_ONLY.sub(" ", answered))


def spoken(text: str) -> str:
    """The reply in one typography: case folded, straight quotes and apostrophes, no emphasis marks.

    Line breaks stay: they part sentences. Empty where nothing but thinking, marks or white space was said.
    """
    answered = without_thinking(text).translate(_INVISIBLE).lstrip()[:READ_CHARACTERS]
    composed = unicodedata.normalize("NFKC", answered.translate(_APOSTROPHES | _QUOTES))
    # The normal form of one character can be eighteen.
    plain = _EMPHASIS.sub("", composed).casefold()[:READ_CHARACTERS].strip()
    return plain if any(character.isalnum() for character in plain) else ""


def unquoted(plain: str) -> str:
    """`plain` (of `spoken`) with each quotation, closed or cut off, replaced by an empty pair of quotes.

    A reply, or its first line, that is one quotation from end to end is the reply itself: only its quotes
    are taken away.
    """
    first = _LINE_QUOTED.match(plain)
    if first:
        own = (first["inside"] if first["block"] is None else first["block"]).strip()
        return own + _without_quotations(plain[first.end() :])
    return _without_quotations(plain)


def _without_quotations(plain: str) -> str:
    return _SINGLE_QUOTATION.sub('""', _QUOTATION.sub('""', plain))
