"""At which token does a direction move answers? The harmfulness direction fitted at each, on the same items.

From two tokens before the end of the instruction to the end of the template: Zhao et al. 2025, appendix. Each
position has its own direction from the same fitting prompts, added at its own best block, chosen on one half.
"""

from collections.abc import Sequence

from latentguard._progress import Progress, silent
from latentguard._text import inert
from latentguard.causal import effects
from latentguard.causal.answers import DENIED
from latentguard.causal.arms import Arm
from latentguard.causal.place import choose
from latentguard.causal.records import PositionEffect
from latentguard.causal.sweep import Sweeper
from latentguard.data import Endings, Prompt, with_endings
from latentguard.lm import Rendered

BEFORE = 2
"""Tokens before the last of the instruction that are tried, too."""


def by_position(
    sweeper: Sweeper,
    positive: Sequence[Prompt],
    negative: Sequence[Prompt],
    select: Sequence[Rendered],
    report: Sequence[Rendered],
    *,
    endings: Endings = "balanced",
    blocks: Sequence[int] | None = None,
    progress: Progress = silent,
) -> list[PositionEffect]:
    """One effect a position. `select` and `report` are harmless questions with a context.

    Raises `ValueError` where an instruction has too few tokens before its end.
    """
    model = sweeper.model
    groups = [with_endings(prompts, endings) for prompts in (positive, negative)]
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
    found: list[PositionEffect] = []
    for number, (name, index) in enumerate(places):
        arm = Arm(name, means[0, number] - means[1, number], "context")
        (_, (place,)) = choose(sweeper, asked, [arm], "+", blocks=tried, scales=(1.0,))
        attempt = place.attempt()
        outcomes = sweeper(report, [attempt], f"{name}, reported half")
        ids = {one.ids[index] for one in rendered}
        token = model.tokenizer.decode([ids.pop()]) if len(ids) == 1 else ""
        found.append(
            PositionEffect(
                position=name,
                token=token,
                block=place.block,
                turned=effects.share(outcomes.turned(attempt, DENIED)),
            )
        )
    return found


def positions(prompts: Sequence[Rendered]) -> list[tuple[str, int]]:
    """Names and indices, from the end of a prompt, of the tokens that are tried.

    Raises `ValueError` where the template does not end every prompt with as many tokens, or an instruction
    has too few.
    """
    behind = {prompt.t_post_inst - prompt.t_inst for prompt in prompts}
    if len(behind) != 1:
        raise ValueError(f"the template ends these prompts with {sorted(behind)} tokens, not one number")
    short = next((one for one in prompts if one.t_inst - BEFORE < one.content[0]), None)
    if short is not None:
        raise ValueError(
            f"an instruction has fewer than {BEFORE + 1} tokens: {inert(short.text, limit=80)!r}"
        )
    (suffix,) = behind
    return [
        (_name(offset, last=offset == suffix), offset - suffix - 1) for offset in range(-BEFORE, suffix + 1)
    ]


def _name(offset: int, *, last: bool) -> str:
    if last:
        return "t_post_inst"
    return "t_inst" if offset == 0 else f"t_inst{offset:+d}"
