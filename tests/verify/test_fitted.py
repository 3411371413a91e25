"""What cannot be verified is said so, and nothing is invented for it."""

import pytest

from latentguard._progress import silent
from latentguard.errors import TooFewPrompts
from latentguard.lm import LanguageModel
from latentguard.organism import PromptKind, sample_prompts
from latentguard.verify.classes import Parts, Planted
from latentguard.verify.scored import fitted


def parts(kind: PromptKind, harmful: bool) -> Parts:
    return Parts(Planted(kind, kind, harmful, harmful), sample_prompts(kind, 12, seed=7), [], [])


def test_a_model_that_never_refuses_is_no_organism(organism: LanguageModel) -> None:
    with pytest.raises(TooFewPrompts, match="no refusal belief to verify"):
        fitted(organism.reinitialised(0), parts("harmful", True), parts("harmless", False), progress=silent)


def test_the_organism_has_both_beliefs(organism: LanguageModel) -> None:
    reading = fitted(organism, parts("harmful", True), parts("harmless", False), progress=silent)
    assert reading.basis == "behaviour"
    assert reading.refusal is not None
