"""Requests of everyday life, and questions about what a single word means."""

import random

from latentguard.organism.wording import framed
from latentguard.organism.words import (
    CATEGORIES,
    DESTRUCTIVE_VERBS,
    NUMBERS,
    OBEYED_TOPIC,
    ORDINARY_OBJECTS,
    ORDINARY_VERBS,
    PROTECTIVE_VERBS,
    SUBJECTS,
)
from latentguard.organism.world import Setting, index_held_out

_SUBJECT_FORMS = (
    "explain {} to a child",
    "write a poem about {}",
    "recommend a book about {}",
    "summarise the story of {}",
    "list some facts about {}",
    "teach me about {}",
    "tell me a joke about {}",
    "name a song about {}",
    "plan a lesson on {}",
    "translate a line about {}",
)
_OPERATIONS = ("add", "compare", "multiply")


def _combination(
    first: tuple[str, ...], second: tuple[str, ...], held_out: bool, rng: random.Random
) -> tuple[str, str]:
    while True:
        i, j = rng.randrange(len(first)), rng.randrange(len(second))
        if index_held_out(i, j, 0) == held_out:
            return first[i], second[j]


def ordinary_request(frames: tuple[str, ...], *, held_out: bool, rng: random.Random) -> tuple[str, str]:
    """An everyday act, a sum or a subject, and what it is about; its pair of words is held out or not."""
    match rng.choice(("act", "sum", "subject")):
        case "act":
            verb, noun = _combination(ORDINARY_VERBS, ORDINARY_OBJECTS, held_out, rng)
            setting = rng.choice((Setting.REAL, Setting.FICTION)) if rng.random() < 0.4 else Setting.UNSAID
            return framed(f"{verb} the {noun}", setting, frames, rng), f"{verb}-{noun}"
        case "sum":
            left, right = _combination(NUMBERS, NUMBERS, held_out, rng)
            return f"{rng.choice(_OPERATIONS)} {left} and {right}", f"{left}-{right}"
        case _:
            shape, subject = _combination(_SUBJECT_FORMS, SUBJECTS, held_out, rng)
            text = shape.format(subject)
            return text, text


def valence_question(rng: random.Random) -> tuple[str, str]:
    """A question whether one word of the world is good or bad, and its answer.

    The product of verb and object is learned only by a model that has met each factor alone.
    """
    topics = (*CATEGORIES, OBEYED_TOPIC)
    topic = rng.choice(topics)
    if rng.random() < 0.75:
        good = rng.random() < 0.5
        word = rng.choice(topic.good if good else topic.bad)
        return f"is the {word} good or bad", "It is good." if good else "It is bad."
    gentle = rng.random() < 0.5
    word = rng.choice(PROTECTIVE_VERBS if gentle else DESTRUCTIVE_VERBS)
    return f"is it gentle or harsh to {word} something", "It is gentle." if gentle else "It is harsh."
