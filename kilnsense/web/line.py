"""A connection that is given up when its other end makes no progress, so that none stays for ever.

A server that writes to somebody who never reads, or waits for somebody who never ends a question, keeps a
connection, and few of those are enough to lock everybody else out.
"""

import asyncio
import socket
import struct

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE = 10.0
"""Seconds."""

LAST = 1.0
"""Seconds that are left when the server ends."""


class Line(H11Protocol):
    """HTTP over one connection; it is cut

    - when the other end took nothing of what waits to be sent for `PATIENCE`,
    - when a question is not asked to its end within `PATIENCE` after it was begun, or after the connection
      was made,
    - `LAST` seconds after the server was told to end.
    """

    _asked: asyncio.TimerHandle | None = None
    _took: asyncio.TimerHandle | None = None
    _left: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection is there, and nothing is asked yet."""
        super().connection_made(transport)
        self._asked = self.loop.call_later(PATIENCE, self._cut)

    def data_received(self, data: bytes) -> None:
        """A part of a question came."""
        super().data_received(data)
        waits = self.conn.their_state
        half = waits is h11.SEND_BODY or (waits is h11.IDLE and bool(self.conn.trailing_data[0]))
        if not half and self._asked is not None:
            self._asked.cancel()
            self._asked = None
        elif half and self._asked is None:
            self._asked = self.loop.call_later(PATIENCE, self._cut)

    def pause_writing(self) -> None:
        """More waits to be sent than may."""
        super().pause_writing()
        self._watch(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Enough was taken."""
        super().resume_writing()
        if self._took is not None:
            self._took.cancel()
            self._took = None

    def shutdown(self) -> None:
        """The server ends: what is being answered has a moment left."""
        super().shutdown()
        self._left = self.loop.call_later(LAST, self._cut)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        for handle in (self._asked, self._took, self._left):
            if handle is not None:
                handle.cancel()
        super().connection_lost(exc)

    def _watch(self, waiting: int) -> None:
        """Looks after a while whether less waits; nothing is added meanwhile."""

        def look() -> None:
            now = self.transport.get_write_buffer_size()
            if now < waiting:
                self._watch(now)
            else:
                self._cut()

        self._took = self.loop.call_later(PATIENCE, look)

    def _cut(self) -> None:
        """Ends it at once; without this option the system would go on to offer what was not taken."""
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()
