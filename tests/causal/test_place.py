"""Where an edit is made: chosen by what blocks and scales turn, told by a table in place of a model."""

import sys
from collections.abc import Sequence

import pytest
import torch

from latentguard.causal import Arm, Attempt, FirstTokens
from latentguard.causal.answers import AFFIRMED, DENIED
from latentguard.causal.place import LEADING, choose
from latentguard.causal.sweep import Outcomes, Sweeper
from latentguard.lm import LanguageModel

PROMPTS = 10
TURNED = {0: 0, 1: 4, 2: 5, 3: 3, 4: 2, 5: 1}
"""Of ten prompts, at scale 1, by block."""


class Told:
    """Sweeps that turn so many prompts at each block and scale; remembers what was tried."""

    def __init__(self, turned: dict[tuple[int, float], int]) -> None:
        self.turned = {(block, 1.0): count for block, count in TURNED.items()} | turned
        self.tried: list[tuple[int, float]] = []

    def __call__(
        self,
        _: LanguageModel,
        prompts: Sequence[object],
        attempts: Sequence[Attempt],
        *__: object,
        **___: object,
    ) -> Outcomes:
        self.tried += [(one.block, one.scale) for one in attempts]
        counts = [self.turned.get((one.block, one.scale), 0) for one in attempts]
        said = torch.full((len(prompts), len(attempts)), DENIED)
        for column, count in enumerate(counts):
            said[:count, column] = AFFIRMED
        unedited = torch.full((len(prompts),), DENIED)
        affirmative = (said == AFFIRMED).float()
        return Outcomes(tuple(attempts), unedited, said, unedited, said, affirmative, affirmative[:, 0])


@pytest.fixture
def placed(organism: LanguageModel, monkeypatch: pytest.MonkeyPatch):
    def choice(told: Told, scales: tuple[float, ...] = (0.5, 1.0, 2.0)) -> tuple[int, float]:
        monkeypatch.setattr(sys.modules[Sweeper.__module__], "sweep", told)
        sweeper = Sweeper(organism, FirstTokens(affirmative=(1,), negative=None))
        prompts = [organism.render("hello")] * PROMPTS
        arm = Arm("v", torch.ones(organism.n_slots, organism.hidden_size), "prompt")
        _, (place,) = choose(sweeper, prompts, [arm], "+", blocks=tuple(TURNED), scales=scales)
        return place.block, place.scale

    return choice


def test_the_best_block_at_scale_1_need_not_be_the_best_at_another(placed):
    assert placed(Told({(3, 2.0): 9, (2, 2.0): 6})) == (3, 2.0)


def test_other_scales_are_tried_at_the_blocks_that_turn_most_alone(placed):
    told = Told({(5, 2.0): 10, (0, 2.0): 10})
    assert placed(told) == (2, 1.0)
    others = {block for block, scale in told.tried if scale != 1.0}
    assert others == {1, 2, 3, 4}
    assert len(others) == LEADING


@pytest.mark.parametrize(
    ("turned", "chosen"),
    [
        ({(2, 2.0): 5, (2, 0.5): 5}, (2, 1.0)),
        ({(1, 0.5): 7, (3, 2.0): 7}, (1, 0.5)),
        ({(1, 2.0): 7, (2, 2.0): 7}, (2, 2.0)),
    ],
    ids=["the paper's scale", "the nearest scale", "the block that is better at scale 1"],
)
def test_of_equal_places(placed, turned: dict[tuple[int, float], int], chosen: tuple[int, float]):
    assert placed(Told(turned)) == chosen


def test_without_scale_1_among_them_it_ranks_blocks_and_is_not_chosen(placed):
    assert placed(Told({(4, 2.0): 3}), scales=(2.0,)) == (4, 2.0)
