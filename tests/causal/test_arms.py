import torch
from hypothesis import given
from hypothesis import strategies as st

from latentguard.causal import Arm, random_like, shuffled_like, without


def _vectors(slots: int, hidden: int, seed: int) -> torch.Tensor:
    return torch.randn((slots, hidden), generator=torch.Generator().manual_seed(seed)) * (seed % 7 + 1)


@given(st.integers(1, 5), st.integers(2, 9), st.integers(0, 99))
def test_without_leaves_nothing_along_the_other_and_keeps_the_length(slots: int, hidden: int, seed: int):
    given_, other = _vectors(slots, hidden, seed), _vectors(slots, hidden, seed + 1000)
    left = without(given_, other)
    along = (left.double() * other.double()).sum(dim=-1) / other.double().norm(dim=-1)
    assert torch.all(along.abs() <= 1e-5 * given_.double().norm(dim=-1))
    assert torch.allclose(left.norm(dim=-1), given_.norm(dim=-1), rtol=1e-4)


def test_without_a_zero_direction_nothing_changes_and_of_a_parallel_one_nothing_is_left():
    vectors = torch.tensor([[1.0, 2.0], [3.0, 0.0], [0.0, 0.0]])
    other = torch.tensor([[0.0, 0.0], [5.0, 0.0], [1.0, 1.0]])
    assert torch.equal(without(vectors, other), torch.tensor([[1.0, 2.0], [0.0, 0.0], [0.0, 0.0]]))


def test_random_directions_are_as_long_at_every_slot_and_unlike_each_other():
    vectors = _vectors(4, 256, 3)
    drawn = random_like(vectors, 20, seed=0)
    assert len(drawn) == 20
    for one in drawn:
        assert torch.allclose(one.norm(dim=-1), vectors.norm(dim=-1), rtol=1e-5)
    first = torch.nn.functional.normalize(torch.stack([one[0] for one in drawn]), dim=-1)
    assert (first @ first.T - torch.eye(20)).abs().max() < 0.4
    assert torch.equal(random_like(vectors, 2, seed=0)[1], drawn[1])
    assert not torch.equal(random_like(vectors, 1, seed=1)[0], drawn[0])


def test_shuffled_labels_say_nothing_of_the_classes_and_hold_no_part_of_the_tested_direction():
    """Two classes far apart along one axis, and unrelated spread along the others."""
    generator = torch.Generator().manual_seed(0)
    states = torch.randn((60, 2, 16), generator=generator)
    positive = torch.arange(60) < 31
    states[positive, :, 0] += 50.0
    tested = states[positive].mean(dim=0) - states[~positive].mean(dim=0)
    found = shuffled_like(tested, states, positive, 5, seed=0)
    for one in found:
        cosine = torch.nn.functional.cosine_similarity(one.double(), tested.double(), dim=-1)
        assert torch.all(cosine.abs() < 1e-6)
        assert torch.allclose(one.norm(dim=-1), tested.norm(dim=-1), rtol=1e-4)
    assert not torch.allclose(found[0], found[1])


def test_an_arm_edits_with_the_direction_of_its_slot():
    arm = Arm("v", _vectors(3, 4, 1), "context")
    edit = arm.edit(2, -0.5)
    assert (edit.slot, edit.scale, edit.scope) == (2, -0.5, "context")
    assert torch.equal(edit.direction, arm.vectors[2])
