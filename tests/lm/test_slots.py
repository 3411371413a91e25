"""What a slot number is: a whole number that exists, and nothing that only looks like one."""

import numpy as np
import pytest
import torch

from latentguard.lm.slots import chosen_slots, listed

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
    assert chosen_slots([3, 1, 3], 5) == (1, 3)
    assert chosen_slots([2], 4) == (2,)


def test_without_a_choice_they_are_all_from_the_first():
    assert chosen_slots(None, 4) == (0, 1, 2, 3)
    assert chosen_slots(None, 4, first=1) == (1, 2, 3)


def test_whole_numbers_of_numpy_and_torch_are_slots():
    assert chosen_slots(np.array([2, 1]), 4) == (1, 2)
    assert chosen_slots(torch.tensor([2, 1]), 4) == (1, 2)


@pytest.mark.parametrize("slots", NO_NUMBERS, ids=repr)
def test_what_is_no_whole_number_is_refused_by_name(slots):
    with pytest.raises(ValueError, match=r"a slot is a whole number; among those asked for is"):
        chosen_slots(slots, 4)


@pytest.mark.parametrize(
    ("slots", "said"),
    [
        ([0, 4], "slots 0, 4 were asked for; there are slots 0 to 3"),
        ([-1], "slots -1 were asked for; there are slots 0 to 3"),
        ([], "no slot was asked for, and there are slots 0 to 3$"),
    ],
)
def test_slots_that_do_not_exist_are_refused_with_those_that_do(slots, said):
    with pytest.raises(ValueError, match=said):
        chosen_slots(slots, 4)


def test_nothing_left_to_choose_says_what_was_left_out():
    with pytest.raises(ValueError, match="without `slots` those before slot 1 are left out"):
        chosen_slots(None, 1, first=1)


def test_a_list_for_a_message():
    assert listed((1, 2, 5)) == "1, 2, 5"
