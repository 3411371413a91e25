"""The refusal belief of a guard: fitted on the training prompts' behaviour, slots chosen on validation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from latentguard.beliefs import FEWEST, Behaviour, Clusters, clusters, layer_scores
from latentguard.data import Prompt
from latentguard.guard.calibration import threshold
from latentguard.guard.cells import Cells, mean_of
from latentguard.guard.choice import choose, mask
from latentguard.guard.manifest import FittedRefusal

AT = "t_post_inst"


@dataclass(frozen=True, slots=True, eq=False)
class RefusalFit:
    """The record and the two centroids over its slots."""

    record: FittedRefusal
    positive: Float[Tensor, "slot hidden"]
    negative: Float[Tensor, "slot hidden"]


def check_knows(behaviour: Behaviour, prompts: Sequence[Prompt]) -> None:
    """Raises `ValueError` where `behaviour` knows none of `prompts`: its counts would all be 0."""
    if frozenset(prompts).isdisjoint(behaviour.prompts):
        raise ValueError(
            f"the behaviour given holds {len(behaviour.prompts)} prompts, none of them among the "
            f"{len(prompts)} that it is wanted for.\n"
            "  A prompt is known again by everything about it, its label too: observe the prompts that are "
            "given here, with their labels."
        )


def clusters_among(behaviour: Behaviour, prompts: Sequence[Prompt]) -> tuple[Behaviour, Clusters]:
    """The behaviour of `prompts` alone, and its clusters; prompts without a reply are left out."""
    wanted = frozenset(prompts)
    kept = [
        (prompt, reply)
        for prompt, reply in zip(behaviour.prompts, behaviour.replies, strict=True)
        if prompt in wanted
    ]
    part = Behaviour(
        prompts=tuple(prompt for prompt, _ in kept),
        replies=tuple(reply for _, reply in kept),
        max_new_tokens=behaviour.max_new_tokens,
    )
    return part, clusters(part)


def fit_refusal(
    train: Float[Tensor, "variant slot hidden"],
    owners: Sequence[Prompt],
    validation: Float[Tensor, "prompt slot hidden"],
    validation_prompts: Sequence[Prompt],
    behaviour: Behaviour,
    *,
    slots: Sequence[int],
    runs: Sequence[Sequence[int]],
) -> RefusalFit:
    """Centroids of refused-harmful and accepted-harmless training prompts, and the run of slots that best
    tells refused from accepted validation prompts.

    `slots` numbers the slots of both tensors, `owners` names the prompt behind each training variant.
    With fewer than 10 refused or accepted validation prompts nothing is chosen: every slot is used, with
    the paper's threshold 0.
    """
    part, found = clusters_among(behaviour, owners)
    refused = frozenset(part.prompts[index] for index in found.refused_harmful)
    accepted = frozenset(part.prompts[index] for index in found.accepted_harmless)
    positive = mean_of(train, mask(owner in refused for owner in owners))
    negative = mean_of(train, mask(owner in accepted for owner in owners))
    chosen, cut, auroc = _chosen(
        layer_scores(validation, positive, negative), validation_prompts, behaviour, slots, runs
    )
    index = [list(slots).index(slot) for slot in chosen]
    record = FittedRefusal(
        slots=chosen,
        threshold=cut,
        n_refused=len(refused),
        n_accepted=len(accepted),
        validation_auroc=auroc,
    )
    return RefusalFit(record, positive[index], negative[index])


def _chosen(
    scores: Float[Tensor, "prompt slot"],
    prompts: Sequence[Prompt],
    behaviour: Behaviour,
    slots: Sequence[int],
    runs: Sequence[Sequence[int]],
) -> tuple[tuple[int, ...], float, float | None]:
    replies = {
        prompt: reply.refused
        for prompt, reply in zip(behaviour.prompts, behaviour.replies, strict=True)
        if not reply.empty
    }
    known = [index for index, prompt in enumerate(prompts) if prompt in replies]
    refused = mask(replies[prompts[index]] for index in known)
    if min(int(refused.sum()), len(known) - int(refused.sum())) < FEWEST:
        return tuple(slots), 0.0, None
    read = Cells((AT,), tuple(slots))
    found = choose({"belief": scores[known]}, read, refused, positions=(AT,), slots=runs)
    means = scores[known][:, found.cells.within(read)].mean(dim=1)
    cut = threshold(means.double().numpy(), refused.numpy())
    return found.cells.slots, cut, found.auroc


def refusal_scores(
    states: Float[Tensor, "prompt slot hidden"],
    positive: Float[Tensor, "slot hidden"],
    negative: Float[Tensor, "slot hidden"],
) -> Float[np.ndarray, " prompt"]:
    """Refusal belief over the slots given."""
    return layer_scores(states, positive, negative).mean(dim=1).to(torch.float64).numpy()
