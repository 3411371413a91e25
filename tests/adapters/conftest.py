"""The organism's guard, here and behind a server, and prompts that it flags and does not."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from latentguard.guard import Guard
from latentguard.guard.verdict import Verdicts
from latentguard.lm import LanguageModel
from tests.serve.conftest import Running, guard, harmful, harmless, running

__all__ = ["guard", "harmful", "harmless"]

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


@pytest.fixture(scope="module")
def server(guard: Guard) -> Iterator[Running]:
    """With three keys, one of which may see internals."""
    with running(guard) as one:
        yield one


@pytest.fixture(scope="session")
def conversations(harmful: list[str], harmless: list[str]) -> list[Any]:
    """Texts, system prompts, turns before the last, a tool's result."""
    return [
        harmful[0],
        harmless[0],
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": harmful[1]}],
        [
            {"role": "user", "content": harmful[2]},
            {"role": "assistant", "content": "No."},
            {"role": "user", "content": harmless[1]},
        ],
        [{"role": "user", "content": harmless[2]}],
    ]


@pytest.fixture(scope="session")
def unjudgeable() -> list[Any]:
    """Nothing of these can be judged."""
    return [
        [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, IMAGE]}],
        [{"role": "system", "content": "There is no user."}],
        [],
    ]


@dataclass(eq=False)
class Watched:
    """The organism's guard, with something told before each batch."""

    guard: Guard
    told: Any

    @property
    def model(self) -> LanguageModel:
        return self.guard.model

    def score(self, prompts: list[Any]) -> Verdicts:
        self.told(prompts)
        return self.guard.score(prompts)
