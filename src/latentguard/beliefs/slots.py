"""Which slots a belief is averaged over: whole numbers that exist, each once."""

import operator
from collections.abc import Iterable
from contextlib import suppress
from typing import SupportsIndex

import torch
from torch import Tensor


def chosen_slots(slots: Iterable[int] | None, n_slots: int) -> list[int]:
    """The slots asked for, ascending and once each; every slot but slot 0 for None.

    Raises `ValueError` where none is asked for, one does not exist, or one is no whole number.
    """
    chosen = sorted({_whole(slot) for slot in (range(1, n_slots) if slots is None else slots)})
    if not chosen:
        raise ValueError(
            f"no slot to average over: {n_slots} given, and slot 0 is left out unless named in `slots`"
        )
    if chosen[0] < 0 or chosen[-1] >= n_slots:
        raise ValueError(f"slots {listed(chosen)} are not all among the {n_slots} given (0 to {n_slots - 1})")
    return chosen


def listed(slots: Iterable[int]) -> str:
    """Slots for a message: `1, 2, 5`."""
    return ", ".join(str(slot) for slot in slots)


def _whole(slot: object) -> int:
    # a truth value would pass for slot 0 or 1, and comes from a mask
    of_mask = isinstance(slot, bool) or (isinstance(slot, Tensor) and slot.dtype == torch.bool)
    if isinstance(slot, SupportsIndex) and not of_mask:
        with suppress(TypeError):  # of a torch tensor that holds no whole number
            return operator.index(slot)
    raise ValueError(
        f"a slot is a whole number; among those asked for is {slot!r}.\n"
        "  Give numbers such as [8, 9, 10]; for a mask, the numbers of the slots that it marks."
    )
