"""Normal draws in pieces: the same on any number of cores, normal, and no tensor but large ones."""

from collections.abc import Iterator

import pytest
import torch

from latentguard.lm.draws import _PIECE, PiecewiseNormal


def _drawn(*shape: int, seed: int = 0, std: float = 0.02, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    torch.manual_seed(seed)
    with PiecewiseNormal():
        return torch.nn.init.normal_(torch.empty(shape, dtype=dtype), mean=0.0, std=std)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_numbers_depend_on_the_seed_and_not_on_the_cores(threads: None) -> None:
    torch.set_num_threads(1)
    alone = _drawn(1000, 1000)
    torch.set_num_threads(3)
    assert torch.equal(_drawn(1000, 1000), alone)
    assert not torch.equal(_drawn(1000, 1000, seed=1), alone)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_piece_is_normal_and_no_two_are_alike(dtype: torch.dtype) -> None:
    drawn = _drawn(5 * _PIECE + 17, dtype=dtype).float()
    pieces = drawn.split(_PIECE)
    for piece in pieces[:-1]:
        assert float(piece.mean()) == pytest.approx(0.0, abs=2e-4)
        assert float(piece.std()) == pytest.approx(0.02, rel=0.01)
        assert float((piece.abs() < 0.02).float().mean()) == pytest.approx(0.6827, abs=0.005)
    assert len(pieces[-1]) == 17
    assert len({float(piece[:17].sum()) for piece in pieces}) == len(pieces)


def test_small_tensors_are_drawn_as_torch_draws_them() -> None:
    torch.manual_seed(4)
    plain = torch.nn.init.normal_(torch.empty(100, 100))
    torch.manual_seed(4)
    with PiecewiseNormal():
        assert torch.equal(torch.nn.init.normal_(torch.empty(100, 100)), plain)
        assert torch.equal(torch.empty(3).zero_(), torch.zeros(3))


def test_a_method_call_and_a_strided_tensor_are_filled_too() -> None:
    torch.manual_seed(0)
    with PiecewiseNormal():
        called = torch.empty(1000, 1000).normal_(0.0, 0.02)
        strided = torch.zeros(2000, 1000).T
        strided.normal_(1.0, 0.5)
    assert torch.equal(called, _drawn(1000, 1000))
    assert float(strided.mean()) == pytest.approx(1.0, abs=0.01)
