"""The same pipeline that reads harm in the organism reads nothing in a copy that was never trained."""

import pytest

from latentguard._progress import silent
from latentguard.lm import LanguageModel
from latentguard.organism import PromptKind, sample_prompts
from latentguard.verify.classes import Parts, Planted
from latentguard.verify.untrained import guard_accuracy


def parts(kind: PromptKind, harmful: bool) -> Parts:
    prompts = sample_prompts(kind, 90, seed=6)
    return Parts(Planted(kind, kind, harmful, harmful), prompts[:30], prompts[30:50], prompts[50:])


@pytest.fixture(scope="module")
def classes() -> tuple[Parts, Parts]:
    return parts("harmful", True), parts("harmless", False)


def test_a_guard_on_the_organism_tells_harm(organism: LanguageModel, classes: tuple[Parts, Parts]) -> None:
    measured = guard_accuracy(organism, *classes, progress=silent)
    assert measured.n == 80
    assert measured.value >= 0.95


def test_a_guard_on_an_untrained_copy_does_not(organism: LanguageModel, classes: tuple[Parts, Parts]) -> None:
    assert guard_accuracy(organism.reinitialised(0), *classes, progress=silent).value <= 0.75
