"""A section as data: one template draws them all, and escapes every text of them."""

from dataclasses import dataclass, field

from latentguard.report.specification import Figure
from latentguard.report.words import MISSING, interval, number
from latentguard.statistics import Estimate


@dataclass(frozen=True, slots=True)
class Listing:
    """A table of words and numbers, the first column its row headers."""

    caption: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One section of the page."""

    key: str
    """Its element id, and the target of its link."""
    title: str
    lead: str
    source: str
    """The file that its numbers come from."""
    sentences: tuple[str, ...] = ()
    key_of_lines: tuple[tuple[str, str, str], ...] = ()
    """Of the figures: CSS colour, dash pattern and words of each kind of line."""
    figures: tuple[Figure, ...] = ()
    listings: tuple[Listing, ...] = ()
    notes: tuple[str, ...] = field(default=())
    """What was not measured, and why."""


def shown(found: Estimate | None, digits: int = 2) -> str:
    """`0.94 (0.90–0.97)`, or the dash."""
    if found is None or found.value is None:
        return MISSING
    between = interval(found.low, found.high, digits)
    return number(found.value, digits) + (f" ({between})" if between else "")
