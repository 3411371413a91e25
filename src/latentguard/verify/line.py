"""One line of a verification: a claim with its bound, what was measured, how surely, and whether it holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final, Literal

import numpy as np

_Z: Final = 1.959963984540054  # two-sided 95 %
_RESAMPLES: Final = 2000


@dataclass(frozen=True, slots=True)
class Line:
    """A bound and its measurement. `passed` is about `measured` alone; the interval says how sure it is."""

    name: str
    bound: str
    """Such as `>= 0.97`."""
    measured: float
    interval: tuple[float, float]
    """95 %."""
    n: int
    """Prompts behind `measured`, or slots for a mean over slots."""
    passed: bool
    note: str = ""
    """What was chosen on the validation split, or which of several was the worst."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A number, its 95 % interval and how much is behind it."""

    value: float
    interval: tuple[float, float]
    n: int


def line(
    name: str, measured: Measured, relation: Literal[">=", "<="], limit: float, *, note: str = ""
) -> Line:
    """The line that holds `measured` against a limit; a value that is not a number never passes."""
    passed = measured.value >= limit if relation == ">=" else measured.value <= limit
    return Line(
        name=name,
        bound=f"{relation} {limit:.2f}",
        measured=measured.value,
        interval=measured.interval,
        n=measured.n,
        passed=passed,
        note=note,
    )


def share(outcomes: Sequence[bool]) -> Measured:
    """The share of true outcomes, with Wilson's interval. Raises `ValueError` without outcomes."""
    n = len(outcomes)
    if n == 0:
        raise ValueError("a share of no outcomes has no value")
    p = sum(outcomes) / n
    centre = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
    return Measured(p, (max(0.0, centre - half), min(1.0, centre + half)), n)


def mean(values: Sequence[float], *, seed: int = 0) -> Measured:
    """The mean, with a percentile bootstrap over `values`. Raises `ValueError` without values."""
    if not values:
        raise ValueError("a mean of no values has no value")
    sample = np.asarray(values, dtype=np.float64)
    draws = np.random.default_rng(seed).integers(0, len(sample), size=(_RESAMPLES, len(sample)))
    low, high = np.quantile(sample[draws].mean(axis=1), (0.025, 0.975))
    return Measured(float(sample.mean()), (float(low), float(high)), len(sample))
