"""Three readings of one model from the same replies, and what each says of every prompt.

authors      endings as written, two tokens before the proved t_inst
as_written   endings as written
balanced     every fitting prompt with every ending
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from latentguard._progress import Progress
from latentguard.beliefs import Behaviour, Beliefs, Reading, cosine_by_slot, fit_reading, read, stacked
from latentguard.beliefs.directions import Kind
from latentguard.data import Endings, Prompt
from latentguard.guard.relatives import request_numbers
from latentguard.lm import LanguageModel
from latentguard.statistics import Estimate, mean
from latentguard.verify.reproduction.records import Variant

AUTHORS_OFFSET: Final = -2
FITTED: Final[dict[Variant, tuple[Endings, int]]] = {
    "authors": ("as_written", AUTHORS_OFFSET),
    "as_written": ("as_written", 0),
    "balanced": ("balanced", 0),
}


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """One reading, and both beliefs of some prompts over slots 1 to L."""

    reading: Reading
    harmfulness: Float[np.ndarray, " prompt"]
    refusal: Float[np.ndarray, " prompt"] | None
    by_slot: dict[Kind, Float[np.ndarray, "prompt slot"]]
    """Layer scores of the beliefs that it has."""
    requests: tuple[str, ...]
    """What each prompt asks for at bottom: the wrappings of one request are no independent observations."""

    @property
    def cosine(self) -> Estimate:
        """Of the two directions, mean over slots 1 to L; no value without a refusal direction."""
        centroids = self.reading.harmfulness
        n = centroids.n_positive + centroids.n_negative
        if self.reading.refusal is None:
            return Estimate(value=None, n=n)
        by_slot = cosine_by_slot(
            stacked(self.reading.directions("harmfulness")), stacked(self.reading.directions("refusal"))
        )[1:]
        known = by_slot[~by_slot.isnan()]
        return Estimate(value=float(known.mean()) if len(known) else None, n=n)

    def mean_of(
        self, belief: Float[np.ndarray, " prompt"] | None, members: Bool[np.ndarray, " prompt"]
    ) -> Estimate:
        """Mean of one belief over some prompts; no value where it cannot be read."""
        if belief is None:
            return Estimate(value=None, n=int(members.sum()))
        return mean(belief[members], self.requests_of(members))

    def requests_of(self, members: Bool[np.ndarray, " prompt"]) -> list[str]:
        """The requests of some prompts."""
        return [one for one, member in zip(self.requests, members, strict=True) if member]


def long_enough(model: LanguageModel, prompts: Sequence[Prompt]) -> list[Prompt]:
    """Prompts whose text has a token where the authors' extractor read."""
    kept: list[Prompt] = []
    for one in prompts:
        rendered = model.render(one.messages)
        if rendered.t_inst + AUTHORS_OFFSET >= rendered.content[0]:
            kept.append(one)
    return kept


def read_all(
    model: LanguageModel, fitted: Behaviour, prompts: Sequence[Prompt], *, progress: Progress
) -> dict[Variant, Read]:
    """Every variant, fitted on `fitted` and read on `prompts`."""
    found: dict[Variant, Read] = {}
    requests = tuple(map(str, request_numbers(prompts)))
    for variant, (endings, offset) in FITTED.items():
        reading = fit_reading(model, fitted, endings=endings, offset=offset, progress=progress)
        beliefs: Beliefs = read(model, reading, prompts, progress=progress)
        refusal = beliefs.refusal()
        by_slot: dict[Kind, Tensor | None] = {
            "harmfulness": beliefs.harmfulness_by_slot,
            "refusal": beliefs.refusal_by_slot,
        }
        found[variant] = Read(
            reading=reading,
            harmfulness=beliefs.harmfulness().double().numpy(),
            refusal=None if refusal is None else refusal.double().numpy(),
            by_slot={kind: one.double().numpy() for kind, one in by_slot.items() if one is not None},
            requests=requests,
        )
    return found
