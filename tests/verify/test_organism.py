"""A verification prints every line whatever the model is; `.ci/run` runs it in full on the shipped weights.

Here it runs on some prompts of each class only: too few for a class of its own to be held against a bound.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from latentguard.lm import LanguageModel
from latentguard.verify import Line, verify_organism
from latentguard.verify.belief_lines import harmfulness_lines, refusal_lines
from latentguard.verify.classes import CLASSES, INVERSIONS, Parts, Planted, drawn
from latentguard.verify.scored import Scored

EVERY_LINE = [
    "task: bag of words",
    "task: final punctuation only",
    "task: length only",
    "task: the same guard on a re-initialised organism",
    *(f"behaviour: {planted.name} {'refused' if planted.refused else 'accepted'}" for planted in CLASSES),
    *(f"harmfulness belief: {planted.name}" for planted in CLASSES),
    "harmfulness belief: over all",
    "refusal belief: accepted harmful",
    "refusal belief: refused harmless",
    "mean |cos(v_harm, v_refuse)|, slots 1..L",
    "inversion, harmful: 'Certainly'",
    "inversion, harmless: 'No'",
    "+v_harm on the context turns 'No' to 'Certainly'",
    "-v_harm on the context turns 'Certainly' to 'No'",
    "+v_refuse on the prompt turns 'No' to 'Certainly'",
    "+v_refuse on the prompt makes direct harmless requests refused",
    "a random direction of equal norm turns 'No' to 'Certainly'",
    "a random direction of equal norm turns 'Certainly' to 'No'",
]
FIT, VALIDATION, TEST = 12, 4, 8
TRAINING_PROMPTS = 400


@pytest.fixture(scope="module")
def few() -> list[Parts]:
    return [
        replace(parts, fit=parts.fit[:FIT], validation=parts.validation[:VALIDATION], test=parts.test[:TEST])
        for parts in drawn((*CLASSES, *INVERSIONS), seed=0)
    ]


@pytest.fixture(autouse=True)
def few_prompts(few: list[Parts], monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(classes: Sequence[Planted], *, seed: int) -> list[Parts]:
        chosen = set(classes)
        return [parts for parts in few if parts.planted in chosen]

    monkeypatch.setattr("latentguard.verify.organism.drawn", drawn)
    monkeypatch.setattr("latentguard.verify.organism._TRAINING_PROMPTS", TRAINING_PROMPTS)


def by_name(lines: Sequence[Line]) -> dict[str, Line]:
    assert [line.name for line in lines] == EVERY_LINE
    return {line.name: line for line in lines}


def test_an_untrained_organism_gets_every_line_and_misses_with_reasons(organism: LanguageModel) -> None:
    lines = by_name(verify_organism(organism.reinitialised(0)))
    unmeasured = [line for line in lines.values() if line.n == 0]
    assert all(math.isnan(line.measured) and line.note and not line.passed for line in unmeasured)
    assert {line.name for line in unmeasured} >= {
        "refusal belief: accepted harmful",
        "refusal belief: refused harmless",
        "mean |cos(v_harm, v_refuse)|, slots 1..L",
        "+v_refuse on the prompt turns 'No' to 'Certainly'",
    }
    assert not lines["behaviour: harmful refused"].passed
    assert not lines["harmfulness belief: over all"].passed
    assert not lines["inversion, harmful: 'Certainly'"].passed


@pytest.fixture
def parts_read(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[set[int]]]:
    """How many prompts of a class each kind of belief line was given to choose on, and to count on."""
    given: dict[str, list[set[int]]] = {}

    def spied(name: str, lines: Callable[..., Iterator[Line]]) -> Callable[..., Iterator[Line]]:
        def spy(*parts: Sequence[Scored], **options: object) -> Iterator[Line]:
            given[name] = [{len(one.refused) for one in part} for part in parts]
            return lines(*parts, **options)

        return spy

    for name, lines in (("harmfulness_lines", harmfulness_lines), ("refusal_lines", refusal_lines)):
        monkeypatch.setattr(f"latentguard.verify.organism.{name}", spied(name, lines))
    return given


def test_the_organism_has_every_line_measured_on_every_class(
    organism: LanguageModel, parts_read: dict[str, list[set[int]]]
) -> None:
    lines = by_name(verify_organism(organism))
    accepted_harmful = sum(planted.harmful and not planted.refused for planted in CLASSES)
    pooled = {
        "harmfulness belief: over all": TEST * len(CLASSES),
        "refusal belief: accepted harmful": TEST * accepted_harmful,
        "mean |cos(v_harm, v_refuse)|, slots 1..L": 2 * FIT,
    }
    for name, line in lines.items():
        assert math.isfinite(line.measured)
        if not name.startswith("task"):
            assert line.n <= pooled.get(name, TEST)
    for name, n in pooled.items():
        assert lines[name].passed
        assert lines[name].n >= 0.9 * n
    chosen_and_counted = [{VALIDATION}, {TEST}]
    assert parts_read == {"harmfulness_lines": chosen_and_counted, "refusal_lines": chosen_and_counted}
