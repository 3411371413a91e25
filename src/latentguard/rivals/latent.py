"""The Latent Guard itself, by its method and position, and a plain probe where refusal is decided.

`Latent(model)` is `Guard.fit` as it stands, which reads belief alone; with `position="auto"` it may also read
where refusal is decided, if that ranks validation prompts as well. `Latent(model, "logistic", "t_post_inst")`
is the probe that most people would fit first: at the last token of the templated prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from latentguard._progress import Progress
from latentguard.data import Prompt, Split
from latentguard.guard import Guard, Method
from latentguard.guard.cells import Position
from latentguard.guard.fitting_data import FittingData
from latentguard.lm import LanguageModel
from latentguard.rivals.rival import Scorer


@dataclass(frozen=True, slots=True)
class Latent:
    """A guard on this model's states; slots are chosen on validation prompts."""

    model: LanguageModel
    method: Method | Literal["auto"] = "auto"
    position: Position | Literal["auto"] = "t_inst"

    @property
    def name(self) -> str:
        """The Latent Guard, or which probe at which position."""
        if self.method == "auto":
            return "Latent Guard" + ("" if self.position == "t_inst" else f", position {self.position}")
        return f"{self.method.replace('_', ' ')} probe at {self.position}"

    @property
    def identity(self) -> str:
        """Which probe; whose states it reads is known beside it."""
        return f"latent {self.method} {self.position}"

    def fit(self, data: FittingData, progress: Progress) -> Scorer:
        """As `Guard.fit`, without replies, permutations and untrained copies: `Guard.evaluate` has these."""
        fitted = Guard.fit(
            self.model,
            Split(train=list(data.train), validation=list(data.validation), test=[]),
            method=self.method,
            position=self.position,
            behaviour="skip",
            untrained_copies=0,
            permutations=0,
            categories=False,
            progress=progress,
        )

        def scores(prompts: Sequence[Prompt], progress: Progress) -> Float[np.ndarray, " prompt"]:
            return np.array([one.score for one in fitted.score(prompts, progress=progress)])

        return scores
