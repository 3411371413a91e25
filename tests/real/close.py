"""How near two states of a real model must be: what the proof allows in the numbers that it runs in."""

from torch import Tensor

from latentguard.lm import LanguageModel
from latentguard.lm.proof.checks import TOLERANCE


def relative(found: Tensor, expected: Tensor) -> float:
    """Largest difference of two rows, as a share of their length."""
    found, expected = found.float(), expected.float()
    return float(((found - expected).norm(dim=-1) / expected.norm(dim=-1)).max())


def rounding(model: LanguageModel) -> float:
    """The largest relative difference that two orders of the same sums explain: 1e-4 in float32."""
    return min(TOLERANCE[model.dtype], 0.03)
