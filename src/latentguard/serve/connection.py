"""One connection, watched: its head must come in time, it must not be endless, and its client must read on.

uvicorn has no such deadlines. The body's is kept where bodies are read (`body.py`), because a late body gets
an answer; a late head and a client that does not read get none.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD = 64 << 10
"""Bytes of a request's head."""
LINGERS = 2.0
"""Seconds for which the rest of a body is thrown away that came after its answer."""
_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Watched(HttpToolsProtocol):
    """uvicorn's own protocol with deadlines. Subclasses say how long they are (see `watched`)."""

    head_timeout: float
    write_timeout: float

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._head_due: asyncio.TimerHandle | None = None
        self._write_due: asyncio.TimerHandle | None = None
        self._body_due: asyncio.TimerHandle | None = None
        self._in_head = True
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The clock of the first head runs from here: a client that says nothing is let go."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Bytes of a head, which are counted, or of a body, which is read elsewhere."""
        if self._in_head:
            if self._head_due is None:
                self._expect_head()
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MOST_HEAD and not self.transport.is_closing():
            self.transport.write(_TOO_LONG)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """The head has come."""
        self._head_due = _cancelled(self._head_due)
        self._in_head, self._head_bytes = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body has come, so the next bytes are the next request's head."""
        super().on_message_complete()
        self._body_due = _cancelled(self._body_due)
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """A line of the head; behind a body there may be more, which nobody reads."""
        if self._in_head:
            super().on_header(name, value)

    def on_response_complete(self) -> None:
        """An answer that was given before the body had come is the last on its connection: what is left of
        the body is thrown away for a moment, so that the client can read the answer."""
        super().on_response_complete()
        if not self._in_head:
            self._body_due = self.loop.call_later(LINGERS, self.transport.close)

    def pause_writing(self) -> None:
        """The client does not read what it asked for."""
        super().pause_writing()
        self._write_due = self.loop.call_later(self.write_timeout, self.transport.abort)

    def resume_writing(self) -> None:
        """It does."""
        self._write_due = _cancelled(self._write_due)
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is due any more."""
        self._head_due = _cancelled(self._head_due)
        self._write_due = _cancelled(self._write_due)
        self._body_due = _cancelled(self._body_due)
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._head_bytes = 0
        self._head_due = self.loop.call_later(self.head_timeout, self.transport.abort)


def watched(head_timeout: float, write_timeout: float) -> type[Watched]:
    """The protocol with these deadlines, in seconds."""
    return type("WatchedHere", (Watched,), {"head_timeout": head_timeout, "write_timeout": write_timeout})


def _cancelled(due: asyncio.TimerHandle | None) -> None:
    if due is not None:
        due.cancel()
