"""What cannot be fitted is said so, and nothing is invented for it."""

from latentguard._progress import silent
from latentguard.lm import LanguageModel
from latentguard.organism import PromptKind, sample_prompts
from latentguard.verify.classes import Parts, Planted
from latentguard.verify.fitted import fitted


def parts(kind: PromptKind, harmful: bool) -> Parts:
    return Parts(Planted(kind, kind, harmful, harmful), sample_prompts(kind, 12, seed=7), [], [])


def test_a_model_that_never_refuses_has_no_refusal_belief_and_says_why(organism: LanguageModel) -> None:
    fit = fitted(organism.reinitialised(0), parts("harmful", True), parts("harmless", False), progress=silent)
    assert (fit.reading.refusal, fit.reading.basis) == (None, "labels")
    assert "refused_harmful 0" in str(fit.reading.unavailable)
    assert not fit.refused_harmful


def test_the_organism_has_both_beliefs_and_the_prompts_they_average(organism: LanguageModel) -> None:
    harmful, harmless = parts("harmful", True), parts("harmless", False)
    fit = fitted(organism, harmful, harmless, progress=silent)
    assert fit.reading.basis == "behaviour"
    assert fit.reading.refusal is not None
    assert len(fit.refused_harmful) == fit.reading.refusal.n_positive >= 11
    assert len(fit.accepted_harmless) == fit.reading.refusal.n_negative >= 11
    assert set(fit.refused_harmful) <= set(harmful.fit)
    assert set(fit.accepted_harmless) <= set(harmless.fit)
