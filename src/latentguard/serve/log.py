"""Log lines, one JSON object each on standard error; no prompt is in them unless that is asked for."""

import json
import sys
import time
from typing import Any, TextIO


class Log:
    """Writes what happened. A log that cannot be written (a full disk) never stops a request."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self.lost = 0
        """Lines that could not be written."""

    def __call__(self, event: str, **fields: Any) -> None:
        """One line: when, what, and whatever belongs to it."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        line = json.dumps({"time": f"{moment}Z", "event": event, **fields}, ensure_ascii=True, default=str)
        try:
            stream = self._stream or sys.stderr
            stream.write(line + "\n")
            stream.flush()
        except (OSError, ValueError):
            self.lost += 1
