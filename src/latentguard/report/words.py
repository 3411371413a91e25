"""The words and number formats that the page, the figures and the terminal share."""

from collections.abc import Iterable, Sequence
from typing import Final

from latentguard.guard import Estimate
from latentguard.report.schema import Cell, EndingsName, Proportion, SlotPanel

CELL_NAMES: Final[dict[Cell, str]] = {
    "refused_harmful": "refused harmful",
    "accepted_harmful": "accepted harmful",
    "refused_harmless": "refused harmless",
    "accepted_harmless": "accepted harmless",
}
CELL_MEANINGS: Final[dict[Cell, str]] = {
    "refused_harmful": "harmful, and the model refused",
    "accepted_harmful": "harmful, and the model answered",
    "refused_harmless": "harmless, and the model refused anyway",
    "accepted_harmless": "harmless, and the model answered",
}
ENDINGS_NAMES: Final[dict[EndingsName, str]] = {"balanced": "balanced endings", "as_written": "as written"}
FITTED: Final[dict[EndingsName, str]] = {
    "balanced": "fitted with balanced endings",
    "as_written": "fitted as written",
}
ENDINGS_MEANINGS: Final[dict[EndingsName, str]] = {
    "balanced": "Every fitting prompt with every final punctuation mark, in both classes, so that the mark "
    "cannot tell them apart.",
    "as_written": "The paper’s way: fitting prompts with the endings they came with, so that a habit of "
    "punctuation can pass for belief.",
}
MINUS: Final = "−"
MISSING: Final = "–"


def number(value: float | None, digits: int = 2) -> str:
    """`value` with a true minus sign and fixed digits; a dash where there is none, never `-0.00`."""
    if value is None:
        return MISSING
    shown = f"{value:.{digits}f}"
    if float(shown) == 0:
        shown = f"{0:.{digits}f}"
    return shown.replace("-", MINUS)


def percent(share: float | None) -> str:
    """A share as whole per cent; `>99` and `<1` rather than a rounded certainty."""
    if share is None:
        return MISSING
    if 0 < share < 0.005:
        return "<1 %"
    if 0.995 <= share < 1:
        return ">99 %"
    return f"{share * 100:.0f} %"


def interval(low: float | None, high: float | None, digits: int = 2) -> str:
    """`0.90–0.97`, or `−0.02 to 0.11` where a minus sign would meet the dash; empty where there is none."""
    if low is None or high is None:
        return ""
    joint = "–" if low >= 0 and high >= 0 else " to "
    return f"{number(low, digits)}{joint}{number(high, digits)}"


def percent_interval(low: float | None, high: float | None) -> str:
    """`70–95 %`."""
    if low is None or high is None:
        return ""
    return f"{low * 100:.0f}–{high * 100:.0f} %"


def proportion(value: Proportion) -> str:
    """`27 of 31 (87 %, 71–95 %)`."""
    if value.n == 0:
        return "0 of 0"
    return f"{value.count} of {value.n} ({percent(value.share)}, {percent_interval(value.low, value.high)})"


def estimate(value: Estimate, digits: int = 2) -> str:
    """`0.94 (0.90–0.97, n = 120)`, or the dash."""
    if value.value is None:
        return f"{MISSING} (n = {value.n})"
    between = interval(value.low, value.high, digits)
    return f"{number(value.value, digits)} ({between + ', ' if between else ''}n = {value.n})"


def slot_ranges(slots: Iterable[int]) -> str:
    """Slots as ranges: `1–4, 7, 9–12`."""
    runs: list[list[int]] = []
    for slot in sorted(set(slots)):
        if runs and slot == runs[-1][1] + 1:
            runs[-1][1] = slot
        else:
            runs.append([slot, slot])
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in runs)


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def panel_title(panel: SlotPanel) -> str:
    return f"{panel.position}, {ENDINGS_NAMES[panel.endings]}"
