"""Memory that was freed goes back to the system while a command works.

The C library of most Linux systems keeps what is freed, in case it is asked for again. Between batches of
states and weights of all sizes that grows to most of a gigabyte beside a model of half a billion parameters.
"""

import ctypes
import time
from collections.abc import Callable

_SECONDS_APART = 1.0


class GiveBack:
    """Called at every step of the work: asks the C library to give back what is free, once a second at most.

    Does nothing where the C library has no such call (macOS, Windows, musl).
    """

    def __init__(self, *, seconds_apart: float = _SECONDS_APART) -> None:
        self._apart = seconds_apart
        self._last = float("-inf")
        self._trim = _malloc_trim()

    def __call__(self) -> None:
        now = time.monotonic()
        if self._trim is not None and now - self._last >= self._apart:
            self._last = now
            self._trim(0)


def _malloc_trim() -> Callable[[int], int] | None:
    """glibc's `malloc_trim`."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return None
