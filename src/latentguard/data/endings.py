"""How prompts end: every prompt with every ending, so that the final mark says nothing about the class.

On real models a belief fitted on prompts as written reads the final full stop, not the harm, because one
class ends in a stop and the other does not. "balanced" renders each fitting prompt once without a final
mark and once with each mark of its script; "as_written" is the paper's way. Scoring changes no prompt.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Literal, TypeAlias

from latentguard.data.prompts import Prompt

Endings: TypeAlias = Literal["balanced", "as_written"]

WESTERN = ("", ".", "?", "!")
"""No mark, and the three final marks of the Latin script and of every script without its own."""

_OWN_MARKS = {
    "CJK": ("", "。", "？", "！"),
    "HIRAGANA": ("", "。", "？", "！"),
    "KATAKANA": ("", "。", "？", "！"),
    "BOPOMOFO": ("", "。", "？", "！"),
    "ARABIC": ("", ".", "؟", "!"),
    "SYRIAC": ("", ".", "؟", "!"),
    "THAANA": ("", ".", "؟", "!"),
    "DEVANAGARI": ("", "।", "?", "!"),
    "BENGALI": ("", "।", "?", "!"),
    "GURMUKHI": ("", "।", "?", "!"),
    "ORIYA": ("", "।", "?", "!"),
    "GREEK": ("", ".", ";", "!"),
    "ARMENIAN": ("", "։", "՞", "՜"),
    "ETHIOPIC": ("", "።", "፧", "!"),
    "MYANMAR": ("", "။", "?", "!"),
    "KHMER": ("", "។", "?", "!"),
    "TIBETAN": ("", "།", "?", "!"),
}
_URDU = ("", "۔", "؟", "!")

# Stops, questions, exclamations, and the pauses (colon, comma) that prompts also end with.
_MARKS = frozenset(".?!…:;,‼⁇⁈⁉‽。．｡？！：；，、؟۔؛،।॥։՞՜።፧፨።፣፤፥፦၊။។៕៖།༎\u037e·¿¡")
_CLOSERS = frozenset("\"'*_)]}>”’»›“‘」』）］｝】》〉〕〗")
# Joiner, variation selector, keycap and skin tones: what stands between and behind the symbols of an emoji.
_EMOJI_PARTS = frozenset("\u200d\ufe0f\u20e3" + "".join(map(chr, range(0x1F3FB, 0x1F400))))
_OPENERS_OF = {"?": "¿", "!": "¡"}
_OPENERS = frozenset(_OPENERS_OF.values())
_LANGUAGES_WITH_OPENERS = frozenset({"es", "gl", "ast"})

# A script is the prompt's own once it makes up this share of its letters: Chinese prompts name English tools.
_SHARE_OF_LETTERS = 0.25


def with_endings(prompts: Sequence[Prompt], endings: Endings = "balanced") -> list[Prompt]:
    """Each prompt once per ending, prompt-major: all four of the first prompt, then all four of the second.

    "balanced": the final marks of the last user turn are stripped (also before closing quotes, brackets and
    emoji, which stay) and each of none, stop, question and exclamation mark is put at its very end. A text of
    marks alone keeps them. "as_written": the prompts as they are.
    """
    if endings == "as_written":
        return list(prompts)
    if endings != "balanced":
        raise ValueError(f"endings are 'balanced' or 'as_written', not {endings!r}")
    return [
        prompt.with_text(_ended(prompt.text, ending, lang=prompt.lang))
        for prompt in prompts
        for ending in endings_of(prompt.text, lang=prompt.lang)
    ]


def endings_of(text: str, *, lang: str | None = None) -> tuple[str, str, str, str]:
    """The endings of the script of `text`: none, stop, question mark, exclamation mark."""
    counts = Counter(_script(character) for character in text if character.isalpha())
    share = _SHARE_OF_LETTERS * counts.total()
    for script, count in counts.most_common():
        if count >= share and script in _OWN_MARKS:
            if script == "ARABIC" and ("۔" in text or lang == "ur"):
                return _URDU
            return _OWN_MARKS[script]
    return WESTERN


def final_punctuation(text: str) -> str:
    """The punctuation `text` ends with, white space left out; "" where it ends in a letter, digit or symbol.

    All that a classifier of endings alone may look at.
    """
    kept: list[str] = []
    for character in reversed(text):
        if character.isspace():
            continue
        if not unicodedata.category(character).startswith("P"):
            break
        kept.append(character)
    return "".join(reversed(kept))


def without_ending(text: str) -> str:
    """`text` without its final marks and outer white space; closing quotes, brackets and emoji stay."""
    stripped = text.rstrip()
    body = _body_length(stripped)
    if not any(character.isalnum() for character in stripped[:body]):
        return stripped
    kept = "".join(character for character in stripped[body:] if character not in _MARKS)
    return stripped[:body] + kept.rstrip()


def _body_length(text: str) -> int:
    """Where the tail of marks, closers, emoji and white space begins."""
    end = len(text)
    while end and _in_tail(text[end - 1]):
        end -= 1
    return end


def _in_tail(character: str) -> bool:
    if character in _MARKS or character in _CLOSERS or character.isspace():
        return True
    return character in _EMOJI_PARTS or unicodedata.category(character) == "So"


def _script(character: str) -> str:
    return unicodedata.name(character, "UNKNOWN").split(" ", 1)[0].split("-", 1)[0]


def _ended(text: str, ending: str, *, lang: str | None) -> str:
    body = without_ending(text)
    start = _last_sentence(body)
    sentence = body[start:]
    opener = _OPENERS_OF.get(ending, "")
    for character in sentence:
        if character in _OPENERS:
            return body[:start] + sentence.replace(character, opener) + ending
    if lang in _LANGUAGES_WITH_OPENERS:
        return body[:start] + opener + sentence + ending
    return body + ending


def _last_sentence(body: str) -> int:
    """Index at which the last sentence of `body` begins."""
    for index in range(len(body) - 1, 0, -1):
        ends_here = body[index - 1] in ".?!…" and body[index].isspace()
        if ends_here or body[index] == "\n":
            return index + 1
    return 0
