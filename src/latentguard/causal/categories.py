"""Do directions differ by category of risk? Their angles, and what each moves in the others' questions.

    v_c = mu[refused harmful of category c] - mu[accepted harmless]

for harmfulness at t_inst and for refusal at t_post_inst. Zhao et al. 2025, section 5: harmfulness directions
differ by category (mean cosine to the others 0.60 to 0.73 on Qwen2-7B), refusal directions hardly (0.89 to
0.95). Two samples of one category differ, too, by chance: so halves of every category stand beside it, each
against other harmless prompts. The causal test adds the reversed direction of every category to questions
about one category, from which no direction comes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from latentguard._progress import Progress, silent
from latentguard.beliefs import Behaviour, prompt_states
from latentguard.causal.arms import Arm, random_like
from latentguard.causal.effects import share
from latentguard.causal.measured import controls_of
from latentguard.causal.pair import classes
from latentguard.causal.place import TRUE_ANSWER, choose
from latentguard.causal.records import CategoryCosines, Controls
from latentguard.causal.sweep import Sweeper
from latentguard.data import Endings, Prompt
from latentguard.errors import TooFewPrompts
from latentguard.lm import LanguageModel, Rendered
from latentguard.statistics import Estimate

FEWEST: Final = 5
"""Prompts of a category that make a direction."""
RANDOM: Final = 5
"""Random directions beside each category's own."""
SPLITS: Final = 20
"""Divisions of all prompts into halves."""
Matrix: TypeAlias = Float[Tensor, "category category"]


@dataclass(frozen=True, slots=True, eq=False)
class CategoryDirections:
    """Both directions of every category that has enough refused prompts."""

    names: tuple[str, ...]
    n: tuple[int, ...]
    """Prompts in each category's positive mean."""
    harm: Float[Tensor, "category slot hidden"]
    refusal: Float[Tensor, "category slot hidden"]
    too_few: dict[str, int]
    """Categories without a direction, and how many prompts they have."""
    halves: dict[str, Matrix]
    """Cosines of "harm" and "refusal" of one half of each category with the other half of each, sharing no
    prompt; mean over slots 1 to L and `SPLITS` divisions. On the diagonal what chance leaves of 1 at half the
    prompts: what two categories differ beyond it is of their kind."""

    def cosines(self, which: str, slots: Sequence[int] | None = None) -> Matrix:
        """Cosine of every two categories' directions, mean over `slots` (all but slot 0 by default).

        `which`: "harm" or "refusal". NaN where a direction is zero at one of the slots.
        """
        vectors = {"harm": self.harm, "refusal": self.refusal}[which].double()
        chosen = list(range(1, vectors.shape[1])) if slots is None else list(slots)
        units = vectors[:, chosen] / vectors[:, chosen].norm(dim=-1, keepdim=True)
        return torch.einsum("csh,dsh->cd", units, units).div(len(chosen)).float()

    def record(self) -> CategoryCosines:
        """Both matrices, as plain numbers."""
        harm, refusal, harm_halves, refusal_halves = (
            tuple(tuple(row) for row in matrix.tolist())
            for matrix in (
                *(self.cosines(which) for which in ("harm", "refusal")),
                *(self.halves[which] for which in ("harm", "refusal")),
            )
        )
        return CategoryCosines(
            names=self.names,
            n=self.n,
            harm=harm,
            refusal=refusal,
            harm_halves=harm_halves,
            refusal_halves=refusal_halves,
        )

    def of_halves(self, which: str) -> tuple[float, float]:
        """Mean cosine of two halves of one category, and of halves of two."""
        found = self.halves[which]
        same = torch.eye(len(self.names), dtype=torch.bool)
        return float(found[same].mean()), float(found[~same].mean())

    def to_others(self, which: str, slots: Sequence[int] | None = None) -> dict[str, float]:
        """Mean cosine of each category's direction to the other categories', as the paper's table has it."""
        cosines = self.cosines(which, slots)
        others = ~torch.eye(len(self.names), dtype=torch.bool)
        return {name: float(cosines[row][others[row]].mean()) for row, name in enumerate(self.names)}


@dataclass(frozen=True, slots=True)
class CategoryEffect:
    """The reversed direction of one category, on questions about another."""

    direction: str
    block: int
    turned: Estimate
    """Share of harmful questions from an affirmation to "No", by -v on the context at scale 1."""
    random: Controls | None = None
    """Directions as long, at the same block."""


def category_directions(
    model: LanguageModel,
    behaviour: Behaviour,
    *,
    endings: Endings = "balanced",
    seed: int = 0,
    progress: Progress = silent,
) -> CategoryDirections:
    """The directions of every category among the refused harmful prompts of `behaviour`.

    All share one negative mean: the accepted harmless prompts. Where either cluster is too small for
    directions, prompts are taken by their labels, and the refusal directions mean nothing. Raises
    `TooFewPrompts` where fewer than two categories, or the harmless, have five prompts.
    """
    positive, negative = classes(behaviour)
    members: dict[str, list[Prompt]] = {}
    for one in positive:
        if one.category is not None:
            members.setdefault(one.category, []).append(one)
    enough = {name: prompts for name, prompts in sorted(members.items()) if len(prompts) >= FEWEST}
    if len(enough) < 2 or len(negative) < FEWEST:
        counts = ", ".join(f"{name} {len(prompts)}" for name, prompts in sorted(members.items())) or "none"
        raise TooFewPrompts(
            f"categories are compared from {FEWEST} refused prompts each, two of them at least, against "
            f"{FEWEST} accepted harmless ones: {counts}; {len(negative)} harmless.\n"
            "  Give harmful prompts with a category, and harmless ones."
        )
    chosen = [one for prompts in enough.values() for one in prompts]
    states = prompt_states(model, [*chosen, *negative], endings, progress=progress).double()
    *groups, against = states.split([*map(len, enough.values()), len(negative)])
    differences = torch.stack([one.mean(dim=0) - against.mean(dim=0) for one in groups]).float()
    halves = _of_halves(groups, against, seed=seed)
    return CategoryDirections(
        names=tuple(enough),
        n=tuple(map(len, enough.values())),
        harm=differences[:, 0],
        refusal=differences[:, 1],
        too_few={name: len(prompts) for name, prompts in sorted(members.items()) if name not in enough},
        halves={"harm": halves[0], "refusal": halves[1]},
    )


def _of_halves(
    groups: Sequence[Tensor], against: Tensor, *, seed: int
) -> Float[Tensor, "position category category"]:
    """See `CategoryDirections.halves`. Each of `groups`, and `against`: [prompt, position, slot, hidden]."""
    generator = torch.Generator().manual_seed(seed)
    found: list[Tensor] = []
    for _ in range(SPLITS):
        parts = [_halved(one, generator) for one in (*groups, against)]
        left, right = (
            torch.stack([part[side] - parts[-1][side] for part in parts[:-1]])[:, :, 1:] for side in (0, 1)
        )
        cosines = torch.nn.functional.cosine_similarity(left[:, None], right[None], dim=-1)
        found.append(cosines.mean(dim=-1).permute(2, 0, 1))
    mean = torch.stack(found).mean(dim=0)
    return ((mean + mean.transpose(1, 2)) / 2).float()


def _halved(
    states: Float[Tensor, "prompt position slot hidden"], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Means of either half."""
    order = torch.randperm(len(states), generator=generator)
    left, right = order[: len(order) // 2], order[len(order) // 2 :]
    return states[left].mean(dim=0), states[right].mean(dim=0)


def cross_category(
    sweeper: Sweeper,
    found: CategoryDirections,
    questions: Mapping[str, tuple[Sequence[Rendered], Sequence[Rendered]]],
    *,
    blocks: Sequence[int] | None = None,
    random: int = RANDOM,
    seed: int = 0,
) -> dict[str, list[CategoryEffect]]:
    """For each category of `questions`, every category's reversed direction at its best block.

    `questions`: harmful ones with a context, of prompts that no direction comes from, in the half that
    chooses the block and the half that is reported.
    """
    tried = range(sweeper.model.n_blocks) if blocks is None else blocks
    arms = [Arm(name, vectors, "context") for name, vectors in zip(found.names, found.harm, strict=True)]
    effects: dict[str, list[CategoryEffect]] = {}
    for name, (select, report) in questions.items():
        unedited = sweeper(select, (), "unedited answers").unedited.tolist()
        asked = [one for one, said in zip(select, unedited, strict=True) if said == TRUE_ANSWER["-"]]
        if not asked:
            effects[name] = []
            continue
        _, places = choose(sweeper, asked, arms, "-", blocks=tried, scales=(1.0,))
        attempts = [place.attempt() for place in places]
        controls = [
            [
                place.attempt(Arm(f"random {number}", one, "context"))
                for number, one in enumerate(random_like(place.arm.vectors, random, seed=seed))
            ]
            for place in places
        ]
        everything = [*attempts, *(one for of_place in controls for one in of_place)]
        outcomes = sweeper(report, everything, f"questions about {name}")
        effects[name] = [
            CategoryEffect(
                direction=place.arm.name,
                block=place.block,
                turned=share(outcomes.turned(attempt, TRUE_ANSWER["-"])),
                random=controls_of(outcomes, attempt, of_place, TRUE_ANSWER["-"], seed=seed),
            )
            for place, attempt, of_place in zip(places, attempts, controls, strict=True)
        ]
    return effects
