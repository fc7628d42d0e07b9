"""Server-sent events: what the board says, to every viewer at once, the newest only.

One thread waits for the board, however many look on. It writes each message once and wakes the viewers; who
is slow gets the message that is the newest when he is ready. It writes also when nothing changes, so that
silence means that it, or the way to it, is broken.
"""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from kilnsense.live.board import Board
from kilnsense.web.snapshot import Sights, snapshot

MOST_VIEWERS = 16
"""Streams at once."""

SHORTEST_GAP = 0.25
"""Seconds between two messages."""

BEAT = 2.0
"""Seconds after which a message is sent though nothing changed."""

_LOOK = 0.5  # seconds within which an end is noticed

_log = logging.getLogger(__name__)


class Watch:
    """The thread that waits for a board, and the streams that it feeds.

    Args:
        board: of the cameras.
        sights: tells the ages.
        stop: ends the thread and all streams once it is set.
    """

    def __init__(self, board: Board, sights: Sights, stop: threading.Event) -> None:
        self._board, self._sights, self._stop = board, sights, stop
        self._message = self._written()
        self._viewers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._run, name="dashboard-watch", daemon=True).start()

    @property
    def viewers(self) -> int:
        """How many look on."""
        return len(self._viewers)

    async def events(self, request: Request) -> Response:
        """The stream. Raises HTTPException 503 where too many look on."""
        if request.method != "GET":
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED)
        if self.viewers >= MOST_VIEWERS:
            raise HTTPException(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{MOST_VIEWERS} screens look on already, which is the most; close one of them",
            )
        # The place is taken before the first await, so that two who ask at once cannot both have the last.
        bell = asyncio.Event()
        with self._lock:
            self._viewers[bell] = asyncio.get_running_loop()
        return _Stream(self._messages(bell), lambda: self._leave(bell))

    async def _messages(self, bell: asyncio.Event) -> AsyncIterator[bytes]:
        while not self._stop.is_set():
            bell.clear()
            yield b"data: " + self._message + b"\n\n"
            await bell.wait()

    def _leave(self, bell: asyncio.Event) -> None:
        with self._lock:
            self._viewers.pop(bell, None)

    def _run(self) -> None:
        seen, sent = -1, 0.0
        while not self._stop.is_set():
            version = self._board.wait(seen, _LOOK)
            if version == seen and time.monotonic() - sent < BEAT:
                continue
            seen, sent = version, time.monotonic()
            try:
                self._message = self._written()
            except ValueError:  # a number that is none: what is shown grows old, and the page says so
                _log.exception("the board cannot be written down")
                continue
            self._ring()
            self._stop.wait(SHORTEST_GAP)
        self._ring()

    def _written(self) -> bytes:
        return snapshot(self._board, self._sights, time.time())

    def _ring(self) -> None:
        with self._lock:
            viewers = list(self._viewers.items())
        for bell, loop in viewers:
            try:
                loop.call_soon_threadsafe(bell.set)
            except RuntimeError:  # the server has ended
                self._leave(bell)


class _Stream(StreamingResponse):
    """Gives back its place however it ends."""

    def __init__(self, messages: AsyncIterator[bytes], leave: Callable[[], None]) -> None:
        super().__init__(messages, media_type="text/event-stream")
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()
