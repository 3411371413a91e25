"""Where and how strongly to edit: chosen on prompts that nothing is reported on.

Every block at scale 1, then the other scales at the blocks that turned most: the best at scale 1 need not be
the best at another, and on few prompts it is hardly known. Of equals, the scale nearest to the paper's 1, and
the block that moved the probability of the wanted answer most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from latentguard.causal.answers import AFFIRMED, DENIED
from latentguard.causal.arms import Arm
from latentguard.causal.records import Curve, HalfName, Sign
from latentguard.causal.sweep import Attempt, Sweeper
from latentguard.lm import Rendered

LEADING: Final = 4
"""Blocks at which the other scales are tried: those that turn most at scale 1."""
SIGNS: Final[tuple[Sign, ...]] = ("+", "-")
TRUE_ANSWER: Final[dict[Sign, int]] = {"+": DENIED, "-": AFFIRMED}
"""What the prompts of each sign answer truly, and an edit must turn."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """An arm at one block and signed scale, and how they were chosen."""

    arm: Arm
    block: int
    scale: float
    chosen: str

    def attempt(self, arm: Arm | None = None) -> Attempt:
        """The edit there, of this arm or of another."""
        return Attempt(arm or self.arm, self.block, self.scale)


def curves(
    sweeper: Sweeper,
    prompts: Sequence[Rendered],
    arms: Sequence[Arm],
    sign: Sign,
    *,
    blocks: Sequence[int],
    scale: float = 1.0,
    half: HalfName = "selection",
) -> list[Curve]:
    """What each arm turns at every block. `prompts` are all answered truly unedited."""
    signed = scale if sign == "+" else -scale
    attempts = {arm.name: [Attempt(arm, block, signed) for block in blocks] for arm in arms}
    everything = [attempt for of_arm in attempts.values() for attempt in of_arm]
    outcomes = sweeper(prompts, everything, f"every block, {sign}, scale {scale:g}")
    return [
        Curve(
            arm=arm.name,
            sign=sign,
            scale=signed,
            scope=arm.scope,
            half=half,
            blocks=tuple(blocks),
            turned=tuple(
                float(outcomes.turned(attempt, TRUE_ANSWER[sign]).mean()) for attempt in attempts[arm.name]
            ),
            affirmative=tuple(outcomes.probability(attempt) for attempt in attempts[arm.name]),
            n=len(prompts),
        )
        for arm in arms
    ]


def choose(
    sweeper: Sweeper,
    prompts: Sequence[Rendered],
    arms: Sequence[Arm],
    sign: Sign,
    *,
    blocks: Sequence[int],
    scales: Sequence[float],
) -> tuple[list[Curve], list[Place]]:
    """Each arm's curve over blocks at scale 1, and its best place: two sweeps."""
    found = curves(sweeper, prompts, arms, sign, blocks=blocks)
    leading = [_leading(curve) for curve in found]
    trials = [
        [Attempt(arm, blocks[at], curve.scale * scale) for at in ahead for scale in scales if scale != 1.0]
        for arm, curve, ahead in zip(arms, found, leading, strict=True)
    ]
    scaled = sweeper(prompts, [trial for of_arm in trials for trial in of_arm], f"scales, {sign}")
    places: list[Place] = []
    for arm, curve, ahead, of_arm in zip(arms, found, leading, trials, strict=True):
        shares = {
            (trial.block, trial.scale): float(scaled.turned(trial, TRUE_ANSWER[sign]).mean())
            for trial in of_arm
        }
        if 1.0 in scales:
            shares |= {(blocks[at], curve.scale): curve.turned[at] for at in ahead}
        order = [blocks[at] for at in ahead]
        block, scale = max(shares, key=lambda one: (shares[one], -abs(abs(one[1]) - 1), -order.index(one[0])))
        said = f"by {len(prompts)} other prompts, {shares[block, scale]:.2f} of which it turned"
        places.append(Place(arm, block, scale, said))
    return found, places


def choose_of_all(grid: Sequence[Curve], arms: Sequence[Arm]) -> list[Place]:
    """Each arm's best place of a whole grid: curves of every scale that is allowed, on the selection half."""
    places: list[Place] = []
    for arm in arms:
        own = [curve for curve in grid if curve.arm == arm.name and curve.half == "selection"]
        at = {id(curve): _best(curve) for curve in own}
        best = max(own, key=lambda one: (one.turned[at[id(one)]], -abs(abs(one.scale) - 1)))
        block = at[id(best)]
        said = f"by {best.n} other prompts, {best.turned[block]:.2f} of which it turned"
        places.append(Place(arm, best.blocks[block], best.scale, said))
    return places


def _leading(curve: Curve) -> list[int]:
    """Indices of the `LEADING` blocks that turn most, the best first."""
    wanted = 1 if curve.sign == "+" else -1
    order = sorted(
        range(len(curve.blocks)), key=lambda at: (-curve.turned[at], -wanted * curve.affirmative[at])
    )
    return order[:LEADING]


def _best(curve: Curve) -> int:
    """Index of the block that turns most."""
    return _leading(curve)[0]
