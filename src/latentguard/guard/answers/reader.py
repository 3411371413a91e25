"""Both beliefs at a token of an answer, from its states alone: the same few products, however long it is."""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from latentguard.beliefs import layer_scores
from latentguard.guard.answers.record import FittedAnswers
from latentguard.guard.answers.trigger import Trigger
from latentguard.guard.probe import Probe


@dataclass(frozen=True, slots=True)
class TokenBeliefs:
    """What is read at one token of an answer."""

    harmfulness: float
    """In [-2, 2]."""
    refusal: float | None
    """In [-2, 2]; None where the guard has no refusal belief."""
    score: float
    """What the method computed that was fitted on answers; the harmfulness belief where nothing was."""
    counts: float
    """What a trigger takes: the score, or minus infinity at a token of a refusal."""


@dataclass(frozen=True, slots=True, eq=False)
class CentroidPair:
    """Two centroids over some slots."""

    slots: tuple[int, ...]
    positive: Float[Tensor, "slot hidden"]
    negative: Float[Tensor, "slot hidden"]

    def by_slot(self, states: Float[Tensor, "row slot hidden"]) -> Float[Tensor, "row slot"]:
        """The cosine difference at each slot, of states at these slots."""
        return layer_scores(states, self.positive, self.negative)

    def beliefs(
        self, states: Float[Tensor, "row slot hidden"], slots: tuple[int, ...]
    ) -> Float[Tensor, " row"]:
        """The mean cosine difference over these slots, of states at `slots`."""
        index = [slots.index(slot) for slot in self.slots]
        return self.by_slot(states[:, index]).mean(dim=1)


@dataclass(frozen=True, slots=True, eq=False)
class AnswerReader:
    """Reads the tokens of answers for one guard. Made by `Guard.answers`."""

    harmfulness: CentroidPair
    refusal: CentroidPair | None
    probe: Probe | None = None
    """Of the score, at the slots of the harmfulness belief."""
    fitted: FittedAnswers | None = None
    """None: the clusters are those of prompts, and nothing is ever cut."""

    @property
    def slots(self) -> tuple[int, ...]:
        """Those that are read at every token."""
        return tuple(
            sorted({*self.harmfulness.slots, *(self.refusal.slots if self.refusal is not None else ())})
        )

    def read(self, states: Float[Tensor, "row slot hidden"]) -> list[TokenBeliefs]:
        """The beliefs of one token of each of several answers, from its states at `slots`."""
        harmfulness = self.harmfulness.beliefs(states, self.slots).tolist()
        scores, refusals = harmfulness, [None] * len(harmfulness)
        if self.probe is not None:
            index = [self.slots.index(slot) for slot in self.harmfulness.slots]
            scores = self.probe.scores(states[:, index]).tolist()
        if self.refusal is not None:
            refusals = self.refusal.beliefs(states, self.slots).tolist()
        most = math.inf if self.fitted is None else self.fitted.refusal_threshold
        return [
            TokenBeliefs(one, refusal, score, score if refusal is None or refusal < most else -math.inf)
            for one, refusal, score in zip(harmfulness, refusals, scores, strict=True)
        ]

    def trigger(self) -> Trigger | None:
        """A fresh one for an answer; None where nothing was fitted on answers."""
        if self.fitted is None:
            return None
        return Trigger(self.fitted.high, self.fitted.low, self.fitted.patience)


def reader_of(
    tensors: dict[str, Tensor],
    fitted: FittedAnswers | None,
    *,
    prompt_slots: tuple[int, ...],
    prompt_refusal_slots: tuple[int, ...] | None,
) -> AnswerReader:
    """The reader of a guard with these tensors: by its answers' clusters, or else by its prompts'."""
    if fitted is None:
        refusal = None if prompt_refusal_slots is None else _named(tensors, "refusal", prompt_refusal_slots)
        return AnswerReader(_named(tensors, "harmfulness", prompt_slots), refusal)
    refusal = _named(tensors, "answers.refusal", fitted.refusal_slots) if fitted.refusal_slots else None
    probe = Probe(tensors["answers.weights"], tensors["answers.bias"], unit_length=fitted.method == "belief")
    return AnswerReader(_named(tensors, "answers.harmfulness", fitted.slots), refusal, probe, fitted)


def _named(tensors: dict[str, Tensor], name: str, slots: tuple[int, ...]) -> CentroidPair:
    return CentroidPair(slots, tensors[f"{name}.positive"], tensors[f"{name}.negative"])
