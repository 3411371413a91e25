"""The two directions of one model, and the states that they come from.

    v_harm = mu[refused harmful] - mu[accepted harmless]  at t_inst
    v_ref  = the same two clusters' difference            at t_post_inst

Zhao et al. 2025, section 3. Where the model has no refused-harmful cluster, v_harm is fitted on labels and
there is no v_ref; `basis` and `unavailable` say so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from latentguard._progress import Progress, silent
from latentguard.beliefs import Behaviour, clusters, prompt_states
from latentguard.beliefs.reading import Basis
from latentguard.causal.arms import Arm, random_like, shuffled_like, without
from latentguard.data import Endings, Prompt
from latentguard.errors import TooFewPrompts
from latentguard.lm import LanguageModel
from latentguard.lm.edits.scope import Scope

HARM = "v_harm"
REFUSAL = "v_refuse"
HARM_ALONE = "v_harm without v_refuse"
REFUSAL_ALONE = "v_refuse without v_harm"
COMES_FROM = {HARM_ALONE: HARM, REFUSAL_ALONE: REFUSAL}


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Both directions at every slot, raw lengths kept, and each fitting prompt's states."""

    harm: Float[Tensor, "slot hidden"]
    refusal: Float[Tensor, "slot hidden"] | None
    states: Float[Tensor, "prompt position slot hidden"]
    """Of every fitting prompt at t_inst and t_post_inst, the mean of its ending variants."""
    positive: Bool[Tensor, " prompt"]
    """Which of them make the positive mean."""
    basis: Basis
    unavailable: str | None
    """Why there is no refusal direction."""
    endings: Endings

    def arms(self, *, harm_on: Scope = "context", refusal_on: Scope = "prompt") -> list[Arm]:
        """What is tested: harmfulness on the context, refusal on the whole prompt (limited to the context it
        does nothing: Zhao et al. 2025). A direct request has no context."""
        found = [Arm(HARM, self.harm, harm_on)]
        if self.refusal is not None:
            found += [
                Arm(REFUSAL, self.refusal, refusal_on),
                Arm(HARM_ALONE, without(self.harm, self.refusal), harm_on),
                Arm(REFUSAL_ALONE, without(self.refusal, self.harm), refusal_on),
            ]
        return found

    def controls(
        self, arm: Arm, *, random: int, shuffled: int, seed: int
    ) -> tuple[list[Arm], list[Arm], list[Arm]]:
        """Random directions, ones of shuffled labels without their part along `arm`, and the same ones as
        drawn: as long as `arm` at every slot, on its scope."""
        states = self.states[:, 1 if arm.name in (REFUSAL, REFUSAL_ALONE) else 0]
        drawn = {"random": random_like(arm.vectors, random, seed=seed)}
        for name, as_drawn in (("shuffled labels", False), ("shuffled labels, as drawn", True)):
            drawn[name] = shuffled_like(
                arm.vectors, states, self.positive, shuffled, seed=seed + 1, as_drawn=as_drawn
            )
        first, second, third = (
            [Arm(f"{name} {number}", one, arm.scope) for number, one in enumerate(vectors)]
            for name, vectors in drawn.items()
        )
        return first, second, third


def fit_pair(
    model: LanguageModel,
    behaviour: Behaviour,
    *,
    endings: Endings = "balanced",
    progress: Progress = silent,
) -> Pair:
    """The directions of `model` from what it did with the prompts of `behaviour`.

    Costs no forward pass for states that are remembered. Raises `TooFewPrompts` where labels, too, leave a
    class empty.
    """
    positive, negative = classes(behaviour)
    return direction_pair(model, positive, negative, clusters(behaviour).too_few, endings, progress)


def classes(behaviour: Behaviour) -> tuple[list[Prompt], list[Prompt]]:
    """What a direction is the difference of: refused harmful and accepted harmless prompts, or, where either
    is too small, all by their labels."""
    found = clusters(behaviour)
    prompts = behaviour.prompts
    if found.too_few is None:
        return (
            [prompts[index] for index in found.refused_harmful],
            [prompts[index] for index in found.accepted_harmless],
        )
    return (
        [one for one in prompts if one.label == "harmful"],
        [one for one in prompts if one.label == "harmless"],
    )


def direction_pair(
    model: LanguageModel,
    positive: Sequence[Prompt],
    negative: Sequence[Prompt],
    unavailable: str | None,
    endings: Endings,
    progress: Progress = silent,
) -> Pair:
    """The directions of any two classes. `unavailable`: why their refusal direction would mean nothing."""
    if not positive or not negative:
        raise TooFewPrompts(
            f"a direction is the difference of two classes; given were {len(positive)} harmful and "
            f"{len(negative)} harmless prompts.\n  Label prompts of both kinds."
        )
    states = prompt_states(model, [*positive, *negative], endings, progress=progress)
    is_positive = torch.arange(len(states)) < len(positive)
    harm, refusal = (
        states[is_positive, position].double().mean(dim=0)
        - states[~is_positive, position].double().mean(dim=0)
        for position in (0, 1)
    )
    return Pair(
        harm=harm.float(),
        refusal=None if unavailable else refusal.float(),
        states=states,
        positive=is_positive,
        basis="labels" if unavailable else "behaviour",
        unavailable=unavailable,
        endings=endings,
    )
