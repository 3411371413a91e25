"""Progress: bars with the time left on a terminal, and a line a minute in a log."""

import threading
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

PATIENCE = 2.0
"""Seconds of work before a bar appears."""
EVERY = 60.0
"""Seconds between lines where there is no terminal."""


class Bars:
    """One bar a stage of the work; satisfies `latentguard._progress.Progress`.

    Where the console is not a terminal, long work says how far it is every `every` seconds. Used as a context
    manager: the bars vanish at its end. `each_step` is called at every step, seen or not.
    """

    def __init__(
        self,
        console: Console,
        *,
        patience: float = PATIENCE,
        every: float = EVERY,
        each_step: Callable[[], None] = lambda: None,
    ) -> None:
        self._console = console
        self._patience = patience
        self._every = every
        self._each_step = each_step
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._began = self._last_line = time.monotonic()
        self._lock = threading.Lock()
        self._may_draw = False
        self._timer = threading.Timer(patience, self._draw)
        self._timer.daemon = True

    def __enter__(self) -> "Bars":
        self._began = self._last_line = time.monotonic()
        self._may_draw = self._console.is_terminal
        if self._may_draw:
            self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._may_draw = False
        self._timer.cancel()
        self.hide()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` steps of `stage`; a total of 0 is work of unknown length."""
        self._each_step()
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total or None)
        finished = bool(total) and done >= total
        self._progress.update(self._tasks[stage], completed=done, total=total or None, visible=not finished)
        now = time.monotonic()
        if self._may_draw and now - self._began >= self._patience:
            self._draw()
        if not self._console.is_terminal and now - self._last_line >= self._every:
            self._last_line = now
            far = f": {done} of {total}" if total else ""
            minutes = f"{(now - self._began) / 60:.0f} min"
            self._console.print(f"{minutes}  {stage}{far}", markup=False, highlight=False)

    def hide(self) -> None:
        """Take the bars off the screen, so that a result can be printed; the next step brings them back."""
        with self._lock:
            if self._progress.live.is_started:
                self._progress.stop()

    def _draw(self) -> None:
        with self._lock:
            if self._may_draw and not self._progress.live.is_started:
                self._progress.start()
