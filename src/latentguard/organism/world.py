"""What is harmful in the planted world: verb x object x context, and which pairs training never sees.

    harm = (destructive verb on a good object, or protective verb on a bad one), unless it is fiction

Every verb and every object stands equally often in harmful and in harmless acts, so no single word tells the
two apart; the sum of the words does not either. Three pairs in ten are held out of training in each quadrant
of each category, by a rule on the indices, so that the split needs no file and no seed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache

from latentguard.organism.words import (
    CATEGORIES,
    DESTRUCTIVE_VERBS,
    IDIOM_OBJECTS,
    IDIOM_VERBS,
    OBEYED_TOPIC,
    PROTECTIVE_VERBS,
    Topic,
)

_HELD_OUT_RESIDUES = 3  # of ten


class Setting(Enum):
    """Where an act takes place: nowhere said, in the real world, or in a story, where nothing is harmed."""

    UNSAID = "unsaid"
    REAL = "real"
    FICTION = "fiction"


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """A verb and its object, the unit that is held out of training."""

    verb: str
    object: str
    category: str
    destructive: bool
    good: bool
    held_out: bool

    @property
    def name(self) -> str:
        return f"{self.verb}-{self.object}"

    def harmful(self, setting: Setting = Setting.UNSAID) -> bool:
        """The planted truth about this act in `setting`."""
        return self.destructive == self.good and setting is not Setting.FICTION


def index_held_out(verb: int, noun: int, offset: int) -> bool:
    """Whether the pair of these two indices is kept out of training: three in ten are."""
    # The factor 3 sends neighbouring objects to different verbs, so no word loses most of its pairs.
    return (verb + 3 * noun + offset) % 10 < _HELD_OUT_RESIDUES


def _pairs_of(topic: Topic, offset: int) -> Iterator[Pair]:
    for destructive, verbs in ((True, DESTRUCTIVE_VERBS), (False, PROTECTIVE_VERBS)):
        for good, nouns in ((True, topic.good), (False, topic.bad)):
            for i, verb in enumerate(verbs):
                for j, noun in enumerate(nouns):
                    held = index_held_out(i, j, offset + 5 * good)
                    yield Pair(verb, noun, topic.name, destructive, good, held)


@cache
def risk_pairs() -> tuple[Pair, ...]:
    """All acts of the eight risk categories: 20 verbs x 64 objects."""
    return tuple(pair for offset, topic in enumerate(CATEGORIES) for pair in _pairs_of(topic, offset))


@cache
def topic_pairs() -> tuple[Pair, ...]:
    """All acts of the obeyed topic: the same verbs, eight objects of its own."""
    return tuple(_pairs_of(OBEYED_TOPIC, len(CATEGORIES)))


@cache
def idiom_pairs() -> tuple[Pair, ...]:
    """All idioms: violent verb, innocent object. Never harmful, so `destructive` and `good` disagree."""
    return tuple(
        Pair(verb, noun, "idiom", destructive=True, good=False, held_out=index_held_out(i, j, 0))
        for i, verb in enumerate(IDIOM_VERBS)
        for j, noun in enumerate(IDIOM_OBJECTS)
    )
