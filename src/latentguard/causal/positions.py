"""At which token does a direction move answers? The harmfulness direction fitted at each, on the same items.

From two tokens before the end of the instruction to the end of the template: Zhao et al. 2025, appendix. Each
position has its own direction from the same fitting prompts, added at its own best block, chosen on one half.
"""

from collections.abc import Sequence

from latentguard._progress import Progress, silent
from latentguard.causal import effects
from latentguard.causal.answers import DENIED
from latentguard.causal.arms import Arm, random_like
from latentguard.causal.measured import controls_of
from latentguard.causal.place import choose
from latentguard.causal.records import PositionEffect
from latentguard.causal.sweep import Sweeper
from latentguard.data import Endings, Prompt, with_endings
from latentguard.errors import PositionNotProved, TooFewPrompts
from latentguard.lm import LanguageModel, Rendered

BEFORE = 2
"""Tokens before the last of the instruction that are tried, too."""
RANDOM = 5
"""Random directions beside each position's own."""


def by_position(
    sweeper: Sweeper,
    positive: Sequence[Prompt],
    negative: Sequence[Prompt],
    select: Sequence[Rendered],
    report: Sequence[Rendered],
    *,
    endings: Endings = "balanced",
    blocks: Sequence[int] | None = None,
    random: int = RANDOM,
    seed: int = 0,
    progress: Progress = silent,
) -> list[PositionEffect]:
    """One effect a position. `select` and `report` are harmless questions with a context.

    Prompts whose instruction has too few tokens before its end are left out. Raises `TooFewPrompts` where
    that leaves a class empty, and as `positions`.
    """
    model = sweeper.model
    variants = [[with_endings([one], endings) for one in prompts] for prompts in (positive, negative)]
    long = [[some for some in of_class if _long_enough(model, some)] for of_class in variants]
    left_out = sum(map(len, variants)) - sum(map(len, long))
    groups = [[variant for some in of_class for variant in some] for of_class in long]
    if not all(groups):
        raise TooFewPrompts(
            f"no instruction of a class has {BEFORE + 1} tokens, which is how far the sweep reaches back."
        )
    rendered = [model.render(one.messages) for group in groups for one in group]
    places = positions(rendered)
    means = model.means(
        rendered,
        [number for number, group in enumerate(groups) for _ in group],
        positions=tuple(index for _, index in places),
        progress=progress,
    )
    tried = range(model.n_blocks) if blocks is None else blocks
    unedited = sweeper(select, (), "unedited answers").unedited.tolist()
    asked = [one for one, said in zip(select, unedited, strict=True) if said == DENIED]
    if not asked:
        raise TooFewPrompts("no harmless question is answered “No” unedited: there is no answer to turn.")
    found: list[PositionEffect] = []
    for number, (name, index) in enumerate(places):
        arm = Arm(name, means[0, number] - means[1, number], "context")
        (_, (place,)) = choose(sweeper, asked, [arm], "+", blocks=tried, scales=(1.0,))
        attempt = place.attempt()
        drawn = random_like(arm.vectors, random, seed=seed)
        controls = [place.attempt(Arm(f"random {each}", one, "context")) for each, one in enumerate(drawn)]
        outcomes = sweeper(report, [attempt, *controls], f"{name}, reported half")
        ids = {one.ids[index] for one in rendered}
        token = model.tokenizer.decode([ids.pop()]) if len(ids) == 1 else ""
        found.append(
            PositionEffect(
                position=name,
                token=token,
                block=place.block,
                turned=effects.share(outcomes.turned(attempt, DENIED)),
                random=controls_of(outcomes, attempt, controls, DENIED, seed=seed),
                left_out=left_out,
            )
        )
    return found


def positions(prompts: Sequence[Rendered]) -> list[tuple[str, int]]:
    """Names and indices, from the end of a prompt, of the tokens that are tried.

    Raises `PositionNotProved` where the template does not end every prompt with as many tokens: no index from
    the end is then one position.
    """
    behind = {prompt.t_post_inst - prompt.t_inst for prompt in prompts}
    if len(behind) != 1:
        raise PositionNotProved(
            f"the template ends these prompts with {sorted(behind)} tokens, not with one number of them."
        )
    (suffix,) = behind
    return [
        (_name(offset, last=offset == suffix), offset - suffix - 1) for offset in range(-BEFORE, suffix + 1)
    ]


def _long_enough(model: LanguageModel, variants: Sequence[Prompt]) -> bool:
    """Whether the instruction of every variant of one prompt reaches back so far."""
    rendered = (model.render(one.messages) for one in variants)
    return all(one.t_inst - BEFORE >= one.content[0] for one in rendered)


def _name(offset: int, *, last: bool) -> str:
    if last:
        return "t_post_inst"
    return "t_inst" if offset == 0 else f"t_inst{offset:+d}"
