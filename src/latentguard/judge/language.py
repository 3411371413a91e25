"""The shape of one language's patterns: what a refusal, an apology, sympathy and an answer look like in it.

A reply refuses by two moves, in any language: "I cannot" joined to a verb of helping, and an apology. All
patterns are read on the text of `spoken`: one typography, case folded. A space in a pattern stands for any
white space.
"""

from dataclasses import dataclass

NEVER = r"(?!)"
"""Matches nothing: a language that does not need this pattern."""


def either(*patterns: str) -> str:
    """One group that matches any of `patterns`."""
    return "(?:" + "|".join(patterns) + ")"


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """Patterns of one language, as regular-expression sources.

    refusal     the speaker will not or cannot do what was asked
    apology     opens a sentence that may refuse or console
    innocent    after the apology: sympathy, a correction, a question back
    cut_off     after the apology: a refusal that was cut before its verb
    identity    the whole reply: "as an AI language model", cut before its verb
    opener      the reply opens by agreeing or by delivering
    content     what was asked is delivered after all
    offer       something else is offered: a refusal stays one
    limitation  what is refused is a part or a guarantee: an answer may follow
    concession  stands right before a refusal that the sentence then sets aside ("while I can't ...")
    contrast    turns from a limitation to the answer
    meta        speaks of the request itself, not from within a role
    """

    name: str
    refusal: str
    apology: str = NEVER
    innocent: str = NEVER
    cut_off: str = r"\A\W*\Z"
    identity: str = NEVER
    opener: str = NEVER
    content: str = NEVER
    offer: str = NEVER
    limitation: str = NEVER
    concession: str = NEVER
    contrast: str = NEVER
    meta: str = NEVER
