"""A guard on a tiny random model: nothing it reads is belief, and it must say so."""

import pytest

from latentguard.beliefs import Behaviour
from latentguard.data import Prompt
from latentguard.guard import Guard
from latentguard.lm import LanguageModel
from tests.guard.toy import behaviour_of, toy_prompts
from tests.lm.tiny import tiny


@pytest.fixture(scope="session")
def model() -> LanguageModel:
    """A tiny random Qwen3."""
    return tiny("Qwen3", seed=3)


@pytest.fixture(scope="session")
def fitting() -> list[Prompt]:
    """Forty prompts a class, told apart by one word."""
    return toy_prompts(range(40))


@pytest.fixture(scope="session")
def unseen() -> list[Prompt]:
    """Thirty more a class, of two sources."""
    return toy_prompts(range(40, 70))


@pytest.fixture(scope="session")
def behaviour(fitting: list[Prompt]) -> Behaviour:
    """What a model that refuses four of five harmful prompts would have done with them."""
    return behaviour_of(fitting)


@pytest.fixture(scope="session")
def guard(model: LanguageModel, fitting: list[Prompt], behaviour: Behaviour) -> Guard:
    """Fitted by the paper's method."""
    return Guard.fit(
        model,
        [prompt for prompt in fitting if prompt.label == "harmful"],
        [prompt for prompt in fitting if prompt.label == "harmless"],
        method="belief",
        behaviour=behaviour,
        untrained_copies=2,
        permutations=2,
    )
