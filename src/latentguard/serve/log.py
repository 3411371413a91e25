"""Log lines, one JSON object each on standard error; no prompt is in them unless that is asked for."""

import json
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TextIO


class Log:
    """Writes what happened. A log that cannot be written (a full disk) never stops a request."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self.lost = 0
        """Lines that could not be written."""
        self.told: Callable[[int], None] = lambda lines: None
        """Takes numbers of them."""

    def __call__(self, event: str, **fields: Any) -> None:
        """One line: when, what, and whatever belongs to it."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        line = json.dumps({"time": f"{moment}Z", "event": event, **fields}, ensure_ascii=True, default=str)
        stream = self._stream or sys.stderr
        try:
            stream.write(line + "\n")
            stream.flush()
        except (OSError, ValueError):
            self.lose(1)

    def lose(self, lines: int) -> None:
        """So many lines could not be written. Any thread may call it."""
        with self._lock:
            self.lost += lines
        self.told(lines)

    @contextmanager
    def hearing(self) -> Generator[None]:
        """Until the block ends, what libraries warn of through `logging` is a line of this log, too."""
        handler = _Heard(self)
        root = logging.getLogger()
        root.addHandler(handler)
        try:
            yield
        finally:
            root.removeHandler(handler)


class _Heard(logging.Handler):
    """What uvicorn, asyncio and others have to say."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """One record, with its traceback where it has one."""
        try:
            error = None if record.exc_info is None else "".join(traceback.format_exception(*record.exc_info))
            fields = {} if error is None else {"error": error}
            self._log("warning", logger=record.name, message=record.getMessage(), **fields)
        except Exception:  # a record that cannot be formatted: never the concern of whoever warned
            self.handleError(record)
