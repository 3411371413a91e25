"""What a rival is: another way to give prompts a number, higher for harm, fitted on the same prompts."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float

from latentguard._progress import Progress
from latentguard.data import Prompt
from latentguard.guard.fitting_data import FittingData

Scorer: TypeAlias = Callable[[Sequence[Prompt], Progress], Float[np.ndarray, " prompt"]]
"""Scores of prompts, higher for harm, in their order."""


@runtime_checkable
class Rival(Protocol):
    """One way to tell harmful prompts. What needs no fitting leaves the prompts it is given alone."""

    @property
    def name(self) -> str:
        """How its row is called."""
        ...

    @property
    def identity(self) -> str:
        """What tells it from every other rival: under this its scores are kept."""
        ...

    def fit(self, data: FittingData, progress: Progress) -> Scorer:
        """Fit on the training prompts, choose on the validation prompts.

        Raises `TooFewPrompts` where these cannot fit it.
        """
        ...
