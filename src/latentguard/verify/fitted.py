"""The reading that is verified, and the prompts whose states make its centroids."""

from dataclasses import dataclass

from latentguard._progress import Progress
from latentguard.beliefs import Reading, clusters, fit_reading, observe
from latentguard.data import Prompt
from latentguard.lm import LanguageModel
from latentguard.verify.classes import Parts
from latentguard.verify.scored import REPLY_TOKENS


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A reading with the two clusters of behaviour that were found for it."""

    reading: Reading
    """Without a refusal belief where a cluster is too small; then its harmfulness is fitted on labels."""
    refused_harmful: tuple[Prompt, ...]
    accepted_harmless: tuple[Prompt, ...]


def fitted(model: LanguageModel, harmful: Parts, harmless: Parts, *, progress: Progress) -> Fitted:
    """Both beliefs, fitted on the fit parts of the two plain classes with balanced endings.

    A model that refuses or accepts too few of them is no error: its reading says what it lacks and why.
    """
    prompts = (*harmful.fit, *harmless.fit)
    behaviour = observe(model, prompts, max_new_tokens=REPLY_TOKENS, progress=progress)
    found = clusters(behaviour)
    return Fitted(
        reading=fit_reading(model, behaviour, progress=progress),
        refused_harmful=tuple(prompts[index] for index in found.refused_harmful),
        accepted_harmless=tuple(prompts[index] for index in found.accepted_harmless),
    )
