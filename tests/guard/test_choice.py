"""Choosing method, position and slots."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from latentguard.guard.cells import Cells, positions_of
from latentguard.guard.choice import choose, windows
from latentguard.lm import States


def noise(prompts, cells, seed=0):
    return torch.randn(prompts, cells, generator=torch.Generator().manual_seed(seed))


@given(st.integers(1, 120))
def test_runs_of_slots_are_neighbours_without_slot_0_and_every_slot_is_in_one(deepest):
    runs = windows(deepest)
    assert all(run == tuple(range(run[0], run[-1] + 1)) for run in runs)
    assert {slot for run in runs for slot in run} == set(range(1, deepest + 1))
    assert len(set(runs)) == len(runs) < 40


def test_the_cells_that_carry_the_label_are_chosen():
    read = Cells(("t_inst", "t_post_inst"), tuple(range(1, 9)))
    harmful = torch.arange(80) % 2 == 0
    scores = noise(80, 16)
    carrying = Cells(("t_post_inst",), (5, 6)).within(read)
    scores[:, carrying] += 2.0 * harmful[:, None]
    found = choose(
        {"belief": noise(80, 16, seed=1), "lda": scores},
        read,
        harmful,
        positions=("t_inst", "t_post_inst", "both"),
        slots=windows(8),
    )
    assert (found.method, found.cells) == ("lda", Cells(("t_post_inst",), (5, 6)))
    assert found.considered == 2 * 3 * len(windows(8))


def test_between_candidates_without_a_mistake_the_wider_gap_wins():
    read = Cells(("t_inst",), (1, 2))
    harmful = torch.arange(40) % 2 == 0
    scores = 0.1 * noise(40, 2) + torch.stack([1.0 * harmful, 3.0 * harmful], dim=1)
    found = choose({"belief": scores}, read, harmful, positions=("t_inst",), slots=[(1,), (2,)])
    assert found.cells.slots == (2,)


def test_cells_name_the_same_states_in_a_tensor_and_in_a_list_of_scores():
    tensor = torch.randn(3, 2, 5, 4, generator=torch.Generator().manual_seed(0))
    states = States(tensor, ("t_inst", "t_post_inst"), (1, 2, 4, 6, 7))
    read = Cells(("t_inst", "t_post_inst"), (1, 2, 4, 6, 7))
    for wanted in (
        Cells(("t_post_inst",), (2, 4)),
        Cells(("t_inst",), (1, 6)),
        Cells(("t_post_inst", "t_inst"), (7,)),
    ):
        torch.testing.assert_close(wanted.of(states), read.of(states)[:, wanted.within(read)])
    torch.testing.assert_close(Cells(("t_post_inst",), (4,)).of(states)[:, 0], tensor[:, 1, 2])


def test_both_reads_both():
    assert positions_of("both") == ("t_inst", "t_post_inst")
    assert positions_of("t_post_inst") == ("t_post_inst",)


def test_all_cells_of_a_capture_are_taken_without_a_copy() -> None:
    states = States(torch.randn(3, 2, 4, 5), ("t_inst", "t_post_inst"), (1, 2, 3, 4))
    taken = Cells(states.positions, states.slots).of(states)
    assert taken.data_ptr() == states.tensor.data_ptr()
    some = Cells(("t_post_inst",), (2, 4)).of(states)
    assert torch.equal(some, states.tensor[:, 1, [1, 3]])
    both = Cells(states.positions, (2, 3)).of(states)
    assert torch.equal(both, torch.cat([states.tensor[:, 0, 1:3], states.tensor[:, 1, 1:3]], dim=1))
