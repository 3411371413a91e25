import math

import pytest
import torch

from latentguard.report.intervals import finite, mean_interval


def test_mean_interval_is_students():
    """Student's t for n = 5: 2.776 standard errors."""
    values = torch.tensor([[1.0], [2.0], [3.0], [4.0], [5.0]])
    mean, low, high = mean_interval(values)
    half = 2.7764451 * math.sqrt(2.5 / 5)
    assert float(mean) == pytest.approx(3.0)
    assert float(low) == pytest.approx(3 - half, abs=1e-5)
    assert float(high) == pytest.approx(3 + half, abs=1e-5)


def test_one_prompt_has_no_interval():
    with pytest.raises(ValueError, match="two values"):
        mean_interval(torch.zeros(1, 3))


def test_what_is_not_finite_becomes_none():
    assert finite(torch.tensor([1.0, float("nan"), float("inf")])) == (1.0, None, None)
