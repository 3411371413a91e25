"""A moderation endpoint with OpenAI's shape, such as a served Llama Guard behind one, or OpenAI's own.

    score = the largest category score of the answer

Prompts leave this machine for the endpoint's address. It is fitted on nothing here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from latentguard._progress import Progress
from latentguard._text import inert
from latentguard.data import Prompt
from latentguard.errors import BadData, ModelNotFound, ModelNotSupported
from latentguard.guard.fitting_data import FittingData
from latentguard.rivals.rival import Scorer

AT_ONCE: Final = 16
RETRIES: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """One model of one moderation endpoint."""

    model: str
    url: str
    _client: Any = field(repr=False)

    @classmethod
    def of(cls, url: str, *, model: str = "omni-moderation-latest", api_key: str | None = None) -> "Endpoint":
        """`url` ends where `/moderations` is added; the key is `api_key` or the variable OPENAI_API_KEY."""
        try:
            from openai import OpenAI, OpenAIError
        except ImportError:
            raise ModelNotSupported(
                "a moderation endpoint is asked through the package openai, which is not installed.\n"
                "  pip install 'latentguard[rivals]'"
            ) from None
        try:
            client = OpenAI(base_url=url, api_key=api_key, max_retries=RETRIES)
        except (OpenAIError, ValueError, TypeError) as error:
            raise ModelNotFound(f"{inert(url)}: {inert(str(error))}") from error
        return cls(model, url, client)

    @property
    def name(self) -> str:
        """Which model of the endpoint."""
        return f"endpoint ({self.model})"

    @property
    def identity(self) -> str:
        """Which model of which endpoint."""
        return f"endpoint {self.url} {self.model}"

    def fit(self, data: FittingData, progress: Progress) -> Scorer:
        """Nothing is fitted: it comes trained."""

        def scores(prompts: Sequence[Prompt], progress: Progress) -> Float[np.ndarray, " prompt"]:
            found = list[float]()
            for first in range(0, len(prompts), AT_ONCE):
                found += self._asked([one.text for one in prompts[first : first + AT_ONCE]])
                progress(f"asking {self.name}", len(found), len(prompts))
            return np.array(found)

        return scores

    def _asked(self, texts: list[str]) -> list[float]:
        from openai import OpenAIError

        try:
            results = list(self._client.moderations.create(model=self.model, input=texts).results)
            scores = [_highest(one) for one in results]
        except OpenAIError as error:
            why = inert(str(error), limit=200)
            raise ModelNotFound(
                f"{inert(self.url)} did not answer as a moderation endpoint: {why}"
            ) from error
        except (AttributeError, TypeError, ValueError) as error:  # an answer that is no moderation
            raise BadData(
                f"{inert(self.url)} answered, but with no moderation ({type(error).__name__}).\n"
                "  The address ends where /moderations is added, as https://host/v1."
            ) from error
        if len(results) != len(texts):
            raise BadData(
                f"the moderation endpoint answered {len(results)} of {len(texts)} prompts.\n"
                "  It must give one result for each input, in their order."
            )
        return scores


def _highest(result: Any) -> float:
    """The largest category score; of an endpoint that gives none, whether it flags."""
    scores = [
        value
        for value in (result.category_scores.model_dump() if result.category_scores else {}).values()
        if isinstance(value, (int, float))
    ]
    return max(scores, default=float(result.flagged))
