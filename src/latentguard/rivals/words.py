"""What never sees a model: how long a prompt is, how it ends, which words it holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float

from latentguard._progress import Progress
from latentguard.data import Prompt
from latentguard.guard.fitting_data import FittingData
from latentguard.guard.text_baselines import fit_text_baselines
from latentguard.rivals.rival import Scorer

Feature: TypeAlias = Literal["length", "ending", "tfidf"]
NAMES: dict[Feature, str] = {
    "length": "length",
    "ending": "final punctuation",
    "tfidf": "TF-IDF + logistic",
}


@dataclass(frozen=True, slots=True)
class Words:
    """One of the guard's own text baselines, on its own."""

    feature: Feature = "tfidf"

    @property
    def name(self) -> str:
        """What is looked at."""
        return NAMES[self.feature]

    @property
    def identity(self) -> str:
        """Which feature."""
        return f"words {self.feature}"

    def fit(self, data: FittingData, progress: Progress) -> Scorer:
        """Fit on the training prompts as written."""
        fitted = fit_text_baselines(data.train)
        score = {"length": fitted.length, "ending": fitted.ending, "tfidf": fitted.tfidf}[self.feature]

        def scores(prompts: Sequence[Prompt], progress: Progress) -> Float[np.ndarray, " prompt"]:
            return score(prompts)

        return scores
