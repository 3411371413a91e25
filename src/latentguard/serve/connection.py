"""One connection, watched: its head must come in time, it must not be endless, and its client must read on.

uvicorn has no such deadlines. The body's is kept where bodies are read (`body.py`), because a late body gets
an answer; a late head and a client that does not read get none.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from latentguard.serve.errors import ApiError

MOST_HEAD = 64 << 10
"""Bytes of a request's head, and of whatever stands in a body beside its content: sizes, lines behind it."""
LINGERS = 2.0
"""Seconds for which the rest of a body is thrown away that came after its answer."""


class Lingering:
    """A connection's transport that ends in two steps where its client is still sending: it writes no more,
    and is closed when the client has ended, too, or a moment has passed. Closed with bytes that nobody has
    read it would be reset, and the client would not see its answer."""

    def __init__(self, transport: asyncio.Transport, sending: Callable[[], bool]) -> None:
        """`sending`: whether the client has not ended what it says. What comes after `close` is to be thrown
        away."""
        self._transport, self._sending = transport, sending
        self._closing = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Whether nothing more is written."""
        return self._closing or self._transport.is_closing()

    def close(self) -> None:
        """Write no more; read on for a moment where the client is still sending."""
        if self.is_closing():
            return
        self._closing = True
        if self._sending():
            self._transport.write_eof()
            self._transport.resume_reading()
            asyncio.get_running_loop().call_later(LINGERS, self._transport.close)
        else:
            self._transport.close()


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
        self._deaf = False
        """Something has come that cannot be read: what follows is not listened to."""
        self._beside = 0
        """Bytes of this head, or since the last of a body's content."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The clock of the first head runs from here: a client that says nothing is let go."""
        super().connection_made(Lingering(transport, lambda: not self._in_head))  # type: ignore[arg-type]
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Bytes of a head, which are counted, or of a body, which is read elsewhere."""
        if self._deaf or self.transport.is_closing():
            return
        if self._in_head and self._head_due is None:
            self._expect_head()
        self._beside += len(data)
        super().data_received(data)
        if self._beside > MOST_HEAD and not self.transport.is_closing():
            if self._in_head:
                self._refuse(ApiError(431, f"The head has more than {MOST_HEAD:,} bytes."))
            else:
                self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """What the parser cannot read."""
        self._refuse(ApiError(400, msg))

    def on_headers_complete(self) -> None:
        """The head has come."""
        self._head_due = _cancelled(self._head_due)
        self._in_head, self._beside = False, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of the body's content."""
        self._beside = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The body has come, so the next bytes are the next request's head."""
        super().on_message_complete()
        self._body_due = _cancelled(self._body_due)
        self._in_head, self._beside = True, 0
        if not self._answering:  # the answer came first, and nothing else sets a clock
            self._expect_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A line of the head; behind a body there may be more, which nobody reads."""
        if self._in_head:
            super().on_header(name, value)

    def on_response_complete(self) -> None:
        """An answer that was given before the body had come is the last on its connection, unless the body
        comes within a moment."""
        early, last = not self._in_head and not self.pipeline, self._deaf and not self.pipeline
        super().on_response_complete()
        if last:
            self._in_head = False
            self.transport.close()
        elif early and not self.transport.is_closing():
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

    @property
    def _answering(self) -> bool:
        """Whether an answer is being made or written."""
        return bool(self.cycle and not self.cycle.response_complete)

    def _refuse(self, error: ApiError) -> None:
        """Answer what cannot be read, and end: at once, or when what came before it has been answered."""
        self._deaf = True
        self._head_due = _cancelled(self._head_due)
        if not self._in_head and not self.pipeline and not self.cycle.response_started:
            self.cycle.disconnected = True  # it is of this request's own body that the rest cannot be read
            self.cycle.message_event.set()
        elif self._answering:
            return
        if self._in_head or self.cycle.disconnected:
            body = json.dumps(error.body).encode()
            lines = ("content-type: application/json", f"content-length: {len(body)}", "connection: close")
            head = "".join(f"{line}\r\n" for line in (*lines, ""))
            self.transport.write(STATUS_LINE[error.status] + head.encode() + body)
        self._in_head = False  # where its end is, is not known
        self.transport.close()

    def _expect_head(self) -> None:
        self._beside = 0
        self._head_due = self.loop.call_later(self.head_timeout, self._head_is_late)

    def _head_is_late(self) -> None:
        """It is not what a client waits for that an answer is made to before it."""
        if self._answering:
            self._head_due = self.loop.call_later(self.head_timeout, self._head_is_late)
        else:
            self.transport.abort()


def watched(head_timeout: float, write_timeout: float) -> type[Watched]:
    """The protocol with these deadlines, in seconds."""
    return type("WatchedHere", (Watched,), {"head_timeout": head_timeout, "write_timeout": write_timeout})


def _cancelled(due: asyncio.TimerHandle | None) -> None:
    if due is not None:
        due.cancel()
