"""The loss that keeps the two directions apart is 0 where they are and 1 where they coincide."""

import pytest
import torch

from latentguard.organism.separation import Differences

HARMFUL = torch.tensor([True, True, False, False])


def states(direction: torch.Tensor) -> torch.Tensor:
    """Four prompts at two slots: harmful ones stand at `direction`, harmless ones at its opposite."""
    signs = torch.where(HARMFUL, 1.0, -1.0)
    return signs[:, None, None] * direction.expand(4, 2, -1)


def test_orthogonal_directions_do_not_overlap() -> None:
    apart = Differences.of(states(torch.tensor([1.0, 0.0])), states(torch.tensor([0.0, 3.0])), HARMFUL)
    assert apart.overlap().item() == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("sign", [1.0, -2.0])
def test_one_shared_direction_overlaps_fully_whatever_its_sign_and_length(sign: float) -> None:
    vector = torch.tensor([3.0, 4.0])
    apart = Differences.of(states(vector), states(sign * vector), HARMFUL)
    assert apart.overlap().item() == pytest.approx(1, abs=1e-6)


def test_differences_keep_their_raw_length() -> None:
    apart = Differences.of(states(torch.tensor([3.0, 4.0])), states(torch.tensor([0.0, 1.0])), HARMFUL)
    assert apart.harm.norm(dim=-1).tolist() == pytest.approx([10, 10])
    assert apart.refusal.norm(dim=-1).tolist() == pytest.approx([2, 2])


def test_one_class_alone_is_no_difference_and_costs_nothing() -> None:
    only = torch.ones(4, dtype=torch.bool)
    apart = Differences.of(states(torch.tensor([1.0, 0.0])), states(torch.tensor([1.0, 0.0])), only)
    assert apart.overlap().item() == 0
