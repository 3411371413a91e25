"""What was freed leaves the process; the call is made no more often than it is said."""

import sys
from pathlib import Path

import pytest

from latentguard.cli import _memory
from latentguard.cli._memory import GiveBack


def _resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(_memory._malloc_trim() is None, reason="this C library has no malloc_trim")
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_freed_memory_goes_back_to_the_system():
    blocks = [bytearray(b"x" * 100_000) for _ in range(2_000)]  # too small to be mapped one by one
    kept, full = blocks[::50], _resident()
    del blocks
    GiveBack()()
    assert full - _resident() > 100_000_000
    assert len(kept) == 40


def test_it_is_asked_for_once_in_a_while(monkeypatch):
    asked, now = [], iter([0.0, 0.5, 1.5, 1.6])
    monkeypatch.setattr(_memory, "_malloc_trim", lambda: asked.append)
    monkeypatch.setattr(_memory.time, "monotonic", lambda: next(now))
    give_back = GiveBack(seconds_apart=1.0)
    for _ in range(4):
        give_back()
    assert asked == [0, 0]


def test_a_c_library_without_the_call_is_left_alone(monkeypatch):
    monkeypatch.setattr(_memory.ctypes, "CDLL", lambda _: object())
    GiveBack()()
