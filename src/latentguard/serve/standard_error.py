"""Standard error of a server: what is written to it may be lost, and is counted then; nobody waits for it.

A disk that is full makes a write fail, and a pipe whose reader has stopped makes it wait for ever, in the
thread that serves every other request. So a thread of its own writes, whatever logs, warns or prints.
"""

import io
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TextIO

MOST = 4 << 20
"""Characters that may wait to be written."""
PARTING = 1.0
"""Seconds in which the last lines must have been written when the server ends."""


class Unblocked(io.TextIOBase):
    """A stream in front of `stream` whose writes neither wait nor raise. `lost` takes numbers of lines."""

    encoding = "utf-8"  # type: ignore[assignment]

    def __init__(self, stream: TextIO | None, lost: Callable[[int], None], *, most: int = MOST) -> None:
        self._stream, self._lost, self._most = stream, lost, most
        self._descriptor = _descriptor(stream)
        self._waiting: deque[str] = deque()
        self._characters = 0
        """Of what waits, and of what is being written."""
        self._ended = False
        self._changed = threading.Condition()
        threading.Thread(target=self._loop, name="latentguard-standard-error", daemon=True).start()

    def write(self, text: str, /) -> int:
        """Have `text` written, or lost where as much waits as may wait. A text alone may be of any length."""
        with self._changed:
            fits = not self._characters or self._characters + len(text) <= self._most
            if fits:
                self._waiting.append(text)
                self._characters += len(text)
                self._changed.notify_all()
        if not fits:
            self._lost(text.count("\n"))
        return len(text)

    def settle(self, seconds: float) -> bool:
        """Wait until all of it has been written or lost, so long at most; says whether it has."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._characters, timeout=seconds)

    def end(self) -> None:
        """The thread ends once nothing waits."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def writable(self) -> bool:
        """Always."""
        return True

    def isatty(self) -> bool:
        """Whether what it stands in front of is a terminal."""
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        """The descriptor behind it. Raises OSError where there is none."""
        if self._descriptor is None:
            raise io.UnsupportedOperation("no descriptor")
        return self._descriptor

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    return
                text = self._waiting.popleft()
            try:
                self._put(text)
            except (OSError, ValueError):  # full, gone or closed
                self._lost(text.count("\n"))
            with self._changed:
                self._characters -= len(text)
                self._changed.notify_all()

    def _put(self, text: str) -> None:
        """Past Python's own buffer, whose lock a stuck write would hold when the process wants to end."""
        if self._descriptor is None:
            if self._stream is not None:
                self._stream.write(text)
                self._stream.flush()
            return
        data = text.encode(errors="backslashreplace")
        while data:
            data = data[os.write(self._descriptor, data) :]


@contextmanager
def unblocked(lost: Callable[[int], None]) -> Generator[None]:
    """`sys.stderr` is `Unblocked` until the block ends; `lost` takes numbers of lines that were lost."""
    before = sys.stderr
    now = Unblocked(before, lost)
    sys.stderr = now
    try:
        yield
    finally:
        sys.stderr = before
        now.settle(PARTING)
        now.end()


def _descriptor(stream: TextIO | None) -> int | None:
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError):
        return None
