"""OpenAI's thirteen categories of harm, and which of them the guard's own speak of.

A client of the moderation endpoint finds all thirteen keys. Where the guard has no category of that kind the
value is null: it was not asked about, which is not a no.
"""

from collections.abc import Mapping
from typing import Final

OPENAI: Final = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
SPOKEN_OF: Final[Mapping[str, str]] = {
    "cybercrime": "illicit",
    "drugs": "illicit",
    "fraud": "illicit",
    "hate": "hate",
    "self_harm": "self-harm",
    "sexual_abuse": "sexual",
    "violence": "violence",
}
"""The package's own categories and OpenAI's; privacy has none there."""
HARMFUL: Final = "harmful"
"""The guard's own judgement, beside its categories: true wherever `flagged` is."""
LIKELY: Final = 0.5
"""Probability from which a flagged prompt is said to be of a category."""


def scores(probability: float, own: Mapping[str, float]) -> dict[str, float | None]:
    """OpenAI's keys, each with the highest probability of ours that speak of it, then ours."""
    found: dict[str, float | None] = dict.fromkeys(OPENAI)
    for name, value in own.items():
        theirs = SPOKEN_OF.get(name, name)
        if theirs in found:
            found[theirs] = max(value, found[theirs] or 0.0)
    return found | {HARMFUL: probability} | dict(own)


def said(flagged: bool, scores: Mapping[str, float | None]) -> dict[str, bool | None]:
    """Which of them a prompt is said to be of: none where it is not flagged."""
    return {
        name: flagged if name == HARMFUL else None if score is None else flagged and score >= LIKELY
        for name, score in scores.items()
    }
