"""Pictures one after the other, whatever they come from: what the process of a camera reads."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import SourceError
from kilnsense.live.faults import CameraError
from kilnsense.live.folder import FolderFeed
from kilnsense.live.source import Source, read_password, with_login
from kilnsense.live.video import FileFeed, StreamFeed, open_device, open_stream
from kilnsense.render.frames import render_run
from kilnsense.render.plan import plan_run

Pixels = NDArray[np.uint8]


class Feed(Protocol):
    """An open source."""

    def grab(self) -> None:
        """Returns as soon as the next frame is there. Raises CameraError where none will come."""
        ...

    def retrieve(self) -> Pixels | None:
        """The frame that was grabbed last, (H, W, 3) uint8 sRGB, R, G, B; None where it is damaged."""
        ...

    def close(self) -> None:
        """Gives everything back."""
        ...


@dataclass(frozen=True)
class Login:
    """Of a network camera; the password itself is only read where the camera is opened."""

    user: str = ""
    password_file: str = ""


def open_feed(source: Source, login: Login, *, timeout: float, pause: Callable[[float], None]) -> Feed:
    """Opens a source.

    Args:
        source: what to open.
        login: put into the address of a stream.
        timeout: seconds, to open and to wait for a frame.
        pause: waits until a moment of the monotonic clock.

    Raises:
        CameraError: it cannot be opened.
    """
    if source.kind == "file":
        return FileFeed(source, timeout=timeout, pause=pause)
    if source.kind == "folder":
        return FolderFeed(source.address, pause=pause)
    if source.kind == "sim":
        return SimulatedFeed(source, pause=pause)
    if source.kind == "device":
        return StreamFeed(open_device(source.address, timeout), timeout)
    try:
        password = read_password(login.password_file)
    except SourceError as error:
        raise CameraError("no_password") from error
    return StreamFeed(open_stream(with_login(source, login.user, password), timeout), timeout)


class SimulatedFeed:
    """A rendered kiln. Only frames that are retrieved are drawn, each as the kiln looks at that moment."""

    def __init__(self, source: Source, *, pause: Callable[[float], None]) -> None:
        asked = source.simulated
        assert asked is not None  # of this kind it is there
        plan = plan_run(np.random.default_rng(asked.seed), difficulty=asked.difficulty, size=asked.size)
        self._pause, self._gap, self._speed = pause, 1 / asked.rate, asked.speed
        self._began = self._due = time.monotonic()
        self._frames = render_run(plan, self._times())

    def grab(self) -> None:
        """Waits for the next turn; turns that were missed are left out."""
        self._due = max(self._due + self._gap, time.monotonic())
        self._pause(self._due)

    def retrieve(self) -> Pixels:
        """Draws the kiln."""
        return next(self._frames).pixels

    def close(self) -> None:
        """Nothing is held."""

    def _times(self) -> Iterator[float]:
        """Seconds of the kiln, rising."""
        before = -1.0
        while True:
            before = max((self._due - self._began) * self._speed, before + 1e-3)
            yield max(before, 0.0)
