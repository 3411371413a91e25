"""One line of a verification: a claim with its bound, what was measured, how surely, and whether it holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Final, Literal

from latentguard.statistics import wilson


@dataclass(frozen=True, slots=True)
class Line:
    """A bound and its measurement. `passed` is about `measured` alone; the interval says how sure it is."""

    name: str
    bound: str
    """Such as `>= 0.97`."""
    measured: float
    """NaN where nothing could be measured, which is a miss; `note` says why."""
    interval: tuple[float, float]
    """95 %."""
    n: int
    """Prompts behind `measured`."""
    passed: bool
    note: str = ""
    """What was chosen on validation, which of several was the worst, or why nothing could be measured."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A number, its 95 % interval and how much is behind it; NaN where nothing is."""

    value: float
    interval: tuple[float, float]
    n: int


NOTHING: Final = Measured(nan, (nan, nan), 0)
"""What is measured on no prompt at all."""


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
    """The share of true outcomes, with Wilson's interval; `NOTHING` without outcomes."""
    found = wilson(sum(outcomes), len(outcomes))
    if found.value is None or found.low is None or found.high is None:
        return NOTHING
    return Measured(found.value, (found.low, found.high), found.n)
