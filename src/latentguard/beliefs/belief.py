"""Belief scores: which of two clusters does a hidden state fall into?

    belief(h) = mean over slots l of  cos(h_l, mu_l+) - cos(h_l, mu_l-)

Zhao et al. 2025, equations 2-3 (arXiv 2507.11878). Slot 0 is left out by default: there the state is
the token's embedding, and the score only says which token ended the prompt.
"""

import warnings
from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from latentguard.beliefs.unit import at_least_float32, unit, unit_difference
from latentguard.errors import UndefinedBelief
from latentguard.lm.slots import chosen_slots, listed


def belief(
    states: Float[Tensor, "prompt slot hidden"],
    positive: Float[Tensor, "slot hidden"],
    negative: Float[Tensor, "slot hidden"],
    *,
    slots: Iterable[int] | None = None,
) -> Float[Tensor, " prompt"]:
    """Mean cosine difference to two centroids, in [-2, 2]; positive means nearer to `positive`.

    `slots` counts along the tensors' slot axis; the default is every slot but slot 0. The authors'
    notebook averages over all of them: `slots=range(n_slots)`.
    Computed in float32 whatever comes in: half-precision cosines overflow once norms pass 256.
    A slot whose two centroids coincide adds exactly 0 and is named in a warning. Raises `UndefinedBelief`
    where a state or centroid is zero or not finite, or where every chosen slot coincides; `ValueError`
    where shapes disagree, or a slot does not exist or is no whole number.
    """
    _check_shapes(states, positive, negative)
    chosen = chosen_slots(slots, positive.shape[0], first=1)
    index = torch.tensor(chosen, device=states.device)
    states, positive, negative = states[:, index], positive[index], negative[index]
    same = coinciding(positive, negative)
    if bool(same.all()):
        raise UndefinedBelief(
            f"the two centroids coincide at every slot chosen ({listed(chosen)}): "
            "no state can be nearer to one.\n"
            "  Choose other slots, another position, or clusters that differ."
        )
    if bool(same.any()):
        named = _where(same, chosen)
        warnings.warn(
            f"the two centroids coincide at slots {listed(named)}: those slots add exactly 0 to the belief",
            stacklevel=2,
        )
    return _scores(states, positive, negative, same, chosen).mean(dim=1)


def layer_scores(
    states: Float[Tensor, "prompt slot hidden"],
    positive: Float[Tensor, "slot hidden"],
    negative: Float[Tensor, "slot hidden"],
) -> Float[Tensor, "prompt slot"]:
    """cos(h_l, mu_l+) - cos(h_l, mu_l-) of every slot given, in [-2, 2]; 0 where the centroids coincide.

    The paper's s_l (its clustering figure). Raises as `belief` does, but for coinciding slots, which a
    curve over slots shows as the zeros they are.
    """
    _check_shapes(states, positive, negative)
    return _scores(states, positive, negative, coinciding(positive, negative), range(positive.shape[0]))


def coinciding(
    positive: Float[Tensor, "slot hidden"], negative: Float[Tensor, "slot hidden"]
) -> Bool[Tensor, " slot"]:
    """Whether two centroids are one: they differ by no more than the rounding of a float32 mean.

    At `t_post_inst` every prompt ends in the same token, so slot 0 holds one embedding, and two means of
    it differ in the last bits only. A cosine with such a difference would be noise.
    """
    positive, negative = at_least_float32(positive), at_least_float32(negative)
    largest = torch.maximum(positive.abs().amax(dim=-1), negative.abs().amax(dim=-1))
    return (positive - negative).abs().amax(dim=-1) <= ROUNDING * largest


ROUNDING = 1e-6
"""Relative difference below which two float32 means are the same: eight units in the last place."""


def _scores(
    states: Float[Tensor, "prompt slot hidden"],
    positive: Float[Tensor, "slot hidden"],
    negative: Float[Tensor, "slot hidden"],
    same: Bool[Tensor, " slot"],
    slots: Sequence[int],
) -> Float[Tensor, "prompt slot"]:
    """One matrix product: cos(h, a) - cos(h, b) = unit(h) . (unit(a) - unit(b))."""
    _check_defined(positive, "the positive centroid", slots)
    _check_defined(negative, "the negative centroid", slots)
    _check_states_defined(states, slots)
    towards = unit_difference(positive, negative)
    scores = torch.einsum("psh,sh->ps", unit(states), towards.to(at_least_float32(states).dtype))
    return scores.clamp(-2.0, 2.0).masked_fill(same, 0.0)


def _check_shapes(states: Tensor, positive: Tensor, negative: Tensor) -> None:
    if states.ndim != 3 or positive.shape != states.shape[1:] or negative.shape != states.shape[1:]:
        raise ValueError(
            "states are [prompt, slot, hidden] and both centroids [slot, hidden]; got "
            f"{list(states.shape)}, {list(positive.shape)} and {list(negative.shape)}"
        )


def _check_defined(centroid: Float[Tensor, "slot hidden"], name: str, slots: Sequence[int]) -> None:
    broken = ~_has_direction(centroid)
    if bool(broken.any()):
        named = _where(broken, slots)
        raise UndefinedBelief(
            f"{name} is zero or not finite at slots {listed(named)}: its cosine has no value.\n"
            "  Leave those slots out with `slots=`, or look at what was averaged."
        )


def _check_states_defined(states: Float[Tensor, "prompt slot hidden"], slots: Sequence[int]) -> None:
    broken = ~_has_direction(states)
    if bool(broken.any()):
        prompt, position = (int(found) for found in broken.nonzero()[0])
        raise UndefinedBelief(
            f"{int(broken.sum())} states are zero or not finite, the first of them prompt {prompt} at slot "
            f"{slots[position]}: their cosines have no value.\n"
            "  Leave those slots out with `slots=`, or look at how the states were captured."
        )


def _has_direction(vectors: Float[Tensor, "*batch hidden"]) -> Bool[Tensor, "*batch"]:
    largest = vectors.abs().amax(dim=-1)
    return largest.isfinite() & (largest > 0)


def _where(marked: Bool[Tensor, " slot"], slots: Sequence[int]) -> list[int]:
    return [slots[int(index)] for index in marked.nonzero()]
