"""Which slots a belief takes: numbers that exist, and nothing that only looks like one.

Given as iterators, into which the type checks of the tests do not look.
"""

import numpy as np
import pytest
import torch

from latentguard.beliefs import Beliefs, belief
from latentguard.beliefs.slots import chosen_slots

NO_NUMBERS = [
    [True],
    [False, True],
    [1.0],
    [np.True_],
    [torch.tensor(True)],
    [torch.tensor(1.0)],
    ["1"],
    [None],
]


def test_slots_are_ascending_and_once_each():
    assert chosen_slots([3, 1, 3], 5) == [1, 3]
    assert chosen_slots(None, 4) == [1, 2, 3]
    assert chosen_slots(iter([2]), 4) == [2]


def test_whole_numbers_of_numpy_and_torch_are_slots():
    assert chosen_slots(iter(np.array([2, 1])), 4) == [1, 2]
    assert chosen_slots(iter(torch.tensor([2, 1])), 4) == [1, 2]


@pytest.mark.parametrize("slots", NO_NUMBERS, ids=repr)
def test_what_is_no_whole_number_is_refused_by_name(slots):
    with pytest.raises(ValueError, match=r"a slot is a whole number; among those asked for is"):
        chosen_slots(iter(slots), 4)


@pytest.mark.parametrize("slots", [[True], [1.0]], ids=repr)
def test_a_mask_or_a_float_is_refused_wherever_slots_are_chosen(slots):
    states = torch.randn(3, 4, 8, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="whole number"):
        belief(states, states[0], states[1], slots=iter(slots))
    with pytest.raises(ValueError, match="whole number"):
        Beliefs(states[:, :, 0], None).harmfulness(iter(slots))


@pytest.mark.parametrize("slots", [[], [4], [-1]], ids=repr)
def test_beliefs_over_slots_that_do_not_exist_are_refused(slots):
    with pytest.raises(ValueError, match="slot"):
        Beliefs(torch.zeros(3, 4), None).harmfulness(slots)
