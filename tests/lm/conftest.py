import pytest

from latentguard.lm import LanguageModel
from tests.lm.tiny import ARCHITECTURES, tiny


@pytest.fixture(scope="session", params=sorted(ARCHITECTURES))
def model(request: pytest.FixtureRequest) -> LanguageModel:
    """A tiny random model of each architecture."""
    return tiny(request.param)


@pytest.fixture(scope="session")
def qwen() -> LanguageModel:
    """One tiny random model, where the architecture does not matter."""
    return tiny("Qwen3")
