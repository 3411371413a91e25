"""The organism's two directions, fitted once for all tests of this room."""

from typing import TYPE_CHECKING

import pytest

from latentguard import organism as planted
from latentguard.beliefs import observe
from latentguard.causal import Pair, fit_pair

if TYPE_CHECKING:
    from latentguard.beliefs import Behaviour
    from latentguard.lm import LanguageModel


@pytest.fixture(scope="session")
def behaviour(organism: "LanguageModel") -> "Behaviour":
    """What the organism does with 30 plain requests of each class."""
    prompts = [
        prompt for kind in ("harmful", "harmless") for prompt in planted.sample_prompts(kind, 30, seed=1)
    ]
    return observe(organism, prompts, max_new_tokens=8)


@pytest.fixture(scope="session")
def pair(organism: "LanguageModel", behaviour: "Behaviour") -> Pair:
    return fit_pair(organism, behaviour)
