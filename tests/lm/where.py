"""Where the tiny models of these tests lie and in which numbers, and what counts as the same there.

LATENTGUARD_TEST_DEVICE=cuda LATENTGUARD_TEST_DTYPE=bfloat16 pytest tests/lm
"""

import os

import pytest
import torch
from torch import Tensor

from latentguard.lm.proof.checks import TOLERANCE, gap

DEVICE = torch.device(os.environ.get("LATENTGUARD_TEST_DEVICE", "cpu"))
DTYPE: torch.dtype = getattr(torch, os.environ.get("LATENTGUARD_TEST_DTYPE", "float32"))

in_float32 = pytest.mark.skipif(
    DTYPE is not torch.float32, reason="rounding decides between near tokens: equal replies are for float32"
)


def assert_same(found: Tensor, wanted: Tensor, rtol: float = 1e-4, atol: float = 1e-4) -> None:
    """In float32 number by number, on any device; in half precision vector by vector, within what the proof
    lets rounding explain."""
    found, wanted = found.detach().cpu().float(), wanted.detach().cpu().float()
    if DTYPE is torch.float32:
        torch.testing.assert_close(found, wanted, rtol=rtol, atol=atol)
        return
    assert found.shape == wanted.shape
    apart = gap(torch.atleast_2d(found), torch.atleast_2d(wanted))
    assert apart <= TOLERANCE[DTYPE], f"{apart:.2e} apart"


def differ(found: Tensor, wanted: Tensor, atol: float = 1e-3) -> bool:
    """Whether an edit can be seen: in half precision, in some vector by more than one step of its numbers."""
    found, wanted = found.detach().cpu().float(), wanted.detach().cpu().float()
    if DTYPE is torch.float32:
        return not torch.allclose(found, wanted, atol=atol)
    return gap(torch.atleast_2d(found), torch.atleast_2d(wanted)) > torch.finfo(DTYPE).eps
