"""What a user's turn asks about, found in its words: owes nothing to what the grammar records of a chat."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain

from latentguard.organism.ordinary import _SUBJECT_FORMS
from latentguard.organism.words import NUMBERS, ORDINARY_OBJECTS, ORDINARY_VERBS, SUBJECTS
from latentguard.organism.world import idiom_pairs, index_held_out, risk_pairs, topic_pairs


@dataclass(frozen=True)
class Request:
    """A pair of words that can be asked about, and how it stands in a turn, without capitals."""

    words: str
    base: str
    held_out: bool


@cache
def requests() -> tuple[Request, ...]:
    """Every pair of the world: planted acts, idioms, everyday acts, sums and subjects."""
    pairs = (*risk_pairs(), *topic_pairs(), *idiom_pairs())
    planted = ((f"{pair.verb} the {pair.object}", pair.name, pair.held_out) for pair in pairs)
    everyday = (
        (f"{verb} the {noun}", f"{verb}-{noun}", side)
        for verb, noun, side in _crossed(ORDINARY_VERBS, ORDINARY_OBJECTS)
    )
    sums = (
        (f"{left} and {right}", f"{left}-{right}", side) for left, right, side in _crossed(NUMBERS, NUMBERS)
    )
    subjects = (
        (form.format(subject), form.format(subject), side)
        for form, subject, side in _crossed(_SUBJECT_FORMS, SUBJECTS)
    )
    return tuple(Request(*fields) for fields in chain(planted, everyday, sums, subjects))


def asked(turn: str) -> Request:
    """The one request in a user's turn."""
    text = turn.lower()
    (request,) = (request for request in requests() if request.words in text)
    return request


def _crossed(first: tuple[str, ...], second: tuple[str, ...]) -> Iterator[tuple[str, str, bool]]:
    for i, one in enumerate(first):
        for j, other in enumerate(second):
            yield one, other, index_held_out(i, j, 0)
