"""Numbers on the command line: lists that are given, as `0.5,1,2`, and estimates that are shown."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from latentguard.statistics import Estimate


def numbers(given: str, option: str, *, below: float, what: str) -> tuple[float, ...]:
    """Different numbers above 0 and below `below`, in their order. Raises a usage error that says `what`."""
    try:
        found = tuple(dict.fromkeys(float(part) for part in given.split(",")))
    except ValueError:
        found = ()
    if not found or not all(0 < one < below for one in found):
        raise typer.BadParameter(f"{given!r} is no list of {what} is.", param_hint=option)
    return found


def whole_numbers(given: str, option: str, *, least: int, what: str) -> tuple[int, ...]:
    """Different whole numbers of at least `least`, in their order. Raises a usage error that says `what`."""
    parts = [part.strip() for part in given.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) >= least for part in parts):
        raise typer.BadParameter(f"{given!r} is no list of {what} is.", param_hint=option)
    return tuple(dict.fromkeys(map(int, parts)))


def estimated(found: "Estimate | None", *, digits: int = 2, between: str = " to ") -> str:
    """`0.94 (0.90 to 0.97)`, without an interval where there is none, or a dash."""
    if found is None or found.value is None:
        return "-"
    if found.low is None or found.high is None:
        return f"{found.value:.{digits}f}"
    return f"{found.value:.{digits}f} ({found.low:.{digits}f}{between}{found.high:.{digits}f})"
