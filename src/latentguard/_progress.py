"""How long work tells that it moves: one callable, given by whoever has a screen.

Rooms below the command line report steps and know nothing of terminals.
"""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Progress(Protocol):
    """Called as work advances; `total` may grow while the work is being planned."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...


def silent(stage: str, done: int, total: int) -> None:
    """The progress of a caller who does not want to know."""
