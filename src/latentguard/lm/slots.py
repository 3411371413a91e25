"""What a slot number is: a whole number among those that the model has; a truth value comes from a mask."""

import operator
from collections.abc import Iterable
from contextlib import suppress
from typing import SupportsIndex


def chosen_slots(slots: Iterable[object] | None, n_slots: int, *, first: int = 0) -> tuple[int, ...]:
    """The slots asked for, ascending and once each; for None, all from `first` on.

    Raises `ValueError` where none is asked for, one does not exist, or one is no whole number.
    """
    chosen = tuple(sorted({_whole(slot) for slot in (range(first, n_slots) if slots is None else slots)}))
    there_are = f"there are slots 0 to {n_slots - 1}"
    if not chosen:
        left_out = f"; without `slots` those before slot {first} are left out" if first else ""
        raise ValueError(f"no slot was asked for, and {there_are}{left_out}")
    if chosen[0] < 0 or chosen[-1] >= n_slots:
        raise ValueError(f"slots {listed(chosen)} were asked for; {there_are}")
    return chosen


def listed(slots: Iterable[int]) -> str:
    """Slots for a message: `1, 2, 5`."""
    return ", ".join(str(slot) for slot in slots)


def _whole(slot: object) -> int:
    of_mask = isinstance(slot, bool) or "bool" in str(getattr(slot, "dtype", ""))
    if isinstance(slot, SupportsIndex) and not of_mask:
        with suppress(TypeError):  # of an array or tensor that holds no whole number
            return operator.index(slot)
    raise ValueError(
        f"a slot is a whole number; among those asked for is {slot!r}.\n"
        "  Give numbers such as [8, 9, 10]; for a mask, the numbers of the slots that it marks."
    )
