"""Choosing method, position and slots."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from latentguard.guard.cells import Cells, positions_of
from latentguard.guard.choice import choose, standard_error, windows
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
    harmful = torch.arange(4000) % 2 == 0
    scores = noise(4000, 16)
    carrying = Cells(("t_post_inst",), (5, 6)).within(read)
    scores[:, carrying] += 2.0 * harmful[:, None]
    found = choose(
        {"belief": noise(4000, 16, seed=1), "lda": scores},
        read,
        harmful,
        positions=("t_inst", "t_post_inst", "both"),
        slots=windows(8),
    )
    assert (found.method, found.cells) == ("lda", Cells(("t_post_inst",), (5, 6)))
    assert found.considered == 2 * 3 * len(windows(8))


@given(st.integers(0, 10_000))
def test_of_those_within_one_standard_error_of_the_best_the_one_that_reads_most_is_chosen(seed):
    read = Cells(("t_inst", "t_post_inst"), tuple(range(1, 5)))
    harmful = torch.arange(60) % 2 == 0
    scores = noise(60, 8, seed) + torch.linspace(0, 1.5, 8) * harmful[:, None]
    runs = windows(4)
    positions = ("t_inst", "t_post_inst", "both")
    found = choose({"lda": scores}, read, harmful, positions=positions, slots=runs)
    areas = {
        cells: choose({"lda": scores}, read, harmful, positions=(position,), slots=[run]).auroc
        for position in positions
        for run in runs
        for cells in [Cells(positions_of(position), run)]
    }
    best = max(areas.values())
    floor = best - standard_error(best, 30.0, 30.0)
    assert areas[found.cells] == found.auroc >= floor
    size = len(found.cells.positions) * len(found.cells.slots)
    assert all(
        len(cells.positions) * len(cells.slots) <= size for cells, area in areas.items() if area >= floor
    )
    assert all(
        area <= found.auroc
        for cells, area in areas.items()
        if len(cells.positions) * len(cells.slots) == size
    )


def test_variants_of_a_prompt_do_not_make_the_choice_surer():
    """Four nearly equal rows a prompt: the standard error is that of a quarter of the rows."""
    read = Cells(("t_inst",), (1, 2))
    harmful = (torch.arange(60) % 2 == 0).repeat_interleave(4)
    better = 1.2 * harmful + noise(60, 1)[:, 0].repeat_interleave(4)
    scores = torch.stack([better, better + 0.9 * noise(60, 1, seed=1)[:, 0].repeat_interleave(4)], dim=1)
    runs = [(1,), (1, 2)]
    alone = choose({"lda": scores}, read, harmful, positions=("t_inst",), slots=[(1,)]).auroc
    both = choose({"lda": scores}, read, harmful, positions=("t_inst",), slots=[(1, 2)]).auroc
    assert standard_error(alone, 120.0, 120.0) < alone - both < standard_error(alone, 30.0, 30.0)
    chosen = {
        variants: choose(
            {"lda": scores}, read, harmful, positions=("t_inst",), slots=runs, variants=variants
        ).cells.slots
        for variants in (1, 4)
    }
    assert chosen == {1: (1,), 4: (1, 2)}


def test_the_standard_error_is_the_published_one():
    """Hanley and McNeil 1982, their example: 51 and 58 cases, area 0.893, standard error 0.032."""
    assert abs(standard_error(0.893, 51.0, 58.0) - 0.032) < 1e-3


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
