"""Behaviours and readings made by hand: small tensors whose beliefs are known."""

import torch

from latentguard.beliefs import Behaviour, Beliefs, Centroids, Reading, Reply
from latentguard.data import Label, Prompt

HIDDEN = 4
SLOTS = 4


def reply(*, refused: bool, empty: bool = False) -> Reply:
    return Reply(refused=refused, empty=empty, characters=0 if empty else 10, tokens=3, sha256="0" * 64)


def behaviour(*rows: tuple[Label, bool], empty: tuple[int, ...] = (), **fields: str) -> Behaviour:
    """One prompt a row: its label, and whether it was refused."""
    prompts = tuple(
        Prompt.of(f"Synthetic {label} prompt {index}.", label=label, **fields)
        for index, (label, _) in enumerate(rows)
    )
    replies = tuple(reply(refused=refused, empty=index in empty) for index, (_, refused) in enumerate(rows))
    return Behaviour(prompts=prompts, replies=replies, max_new_tokens=16)


def centroids(position: str, *, axis: int = 0) -> Centroids:
    """The positive mean points along one axis, the negative one against it, at every slot but slot 0."""
    positive = torch.full((SLOTS, HIDDEN), 0.1)
    negative = positive.clone()
    positive[1:, axis], negative[1:, axis] = 1.0, -1.0
    return Centroids(positive, negative, position, 12, 14)


def reading(*, refusal: bool = True, endings: str = "balanced", axis: int = 1) -> Reading:
    return Reading(
        harmfulness=centroids("t_inst"),
        refusal=centroids("t_post_inst", axis=axis) if refusal else None,
        basis="behaviour" if refusal else "labels",
        unavailable=None if refusal else "fewer than 10 prompts in refused_harmful (refused_harmful 0)",
        counts={"refused_harmful": 12 if refusal else 0, "accepted_harmless": 14},
        fell_out={"accepted_harmful": 3, "refused_harmless": 0, "empty": 1},
        endings=endings,
        offset=0,
        provenance={},
    )


def beliefs(harmfulness: list[float], refusal: list[float] | None = None) -> Beliefs:
    """The same score at slots 1..; slot 0 holds a value that no belief may use."""

    def by_slot(values: list[float]) -> torch.Tensor:
        column = torch.tensor(values)[:, None].expand(-1, SLOTS).clone()
        column[:, 0] = 99.0
        return column

    return Beliefs(
        harmfulness_by_slot=by_slot(harmfulness),
        refusal_by_slot=None if refusal is None else by_slot(refusal),
    )
