"""The board: what all cameras say now, for the page and the links; and the doors that lead back.

The threads of the cameras write it, the page and the links read it. It holds the newest of everything and
never a queue: who is slow misses readings, and holds nobody up.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from kilnsense.errors import InputError
from kilnsense.types import Aggregate, AlarmEvent, AlarmStatus, Reading, Span, StoredPicture


@dataclass(frozen=True, eq=False)
class LivePicture:
    """The newest picture of a camera.

    Attributes:
        seq: counts the pictures of this camera, from 1.
        at: when its frame was taken, seconds since 1970.
        plain, overlay: JPEG files; the overlay has the regions drawn in.
    """

    seq: int
    at: float
    plain: bytes
    overlay: bytes


class AlarmDesk(Protocol):
    """Where people answer alarms. Every method raises InputError for an unknown alarm or a wrong value."""

    def acknowledge(self, alarm: str, *, user: str) -> None:
        """Somebody has seen this activation."""
        ...

    def shelve(self, alarm: str, *, user: str, reason: str, seconds: float) -> None:
        """Takes it off the list for so long; a reason must be given."""
        ...

    def unshelve(self, alarm: str, *, user: str) -> None:
        """Puts it back."""
        ...


class Past(Protocol):
    """What the history tells; moments are seconds since 1970, `since` included, `until` not."""

    def spans(self, camera: str, since: float, until: float) -> Sequence[Span]:
        """The published words in order, without gaps where the monitor ran; cut to the asked time."""
        ...

    def aggregates(self, camera: str, since: float, until: float) -> Sequence[Aggregate]:
        """Every five minutes in which there were readings, in order."""
        ...

    def pictures(self, camera: str, since: float, until: float) -> Sequence[StoredPicture]:
        """In order of time."""
        ...

    def picture(self, number: int, *, overlay: bool) -> bytes | None:
        """The JPEG file; None where there is none (any more)."""
        ...

    def alarm_events(self, since: float, until: float) -> Sequence[AlarmEvent]:
        """The journal, in order."""
        ...


class Board:
    """The newest reading and picture of every camera, and all alarms.

    Args:
        site: its name.
        cameras: their names, in the order of the page.
    """

    def __init__(self, site: str, cameras: Sequence[str]) -> None:
        self.site, self.cameras = site, tuple(cameras)
        self._changed = threading.Condition()
        self._version = 0
        self._readings: dict[str, Reading] = {}
        self._pictures: dict[str, LivePicture] = {}
        self._alarms: tuple[AlarmStatus, ...] = ()

    def publish(self, reading: Reading) -> None:
        """A new reading takes the place of the one before."""
        self._change(lambda: self._readings.__setitem__(self._known(reading.camera), reading))

    def show(self, camera: str, picture: LivePicture) -> None:
        """A new picture takes the place of the one before."""
        self._change(lambda: self._pictures.__setitem__(self._known(camera), picture))

    def post(self, alarms: Sequence[AlarmStatus]) -> None:
        """All alarms as they stand now."""

        def put() -> None:
            self._alarms = tuple(alarms)

        self._change(put)

    def reading(self, camera: str) -> Reading | None:
        """The newest of a camera; None before the first. Raises InputError for an unknown camera."""
        with self._changed:
            return self._readings.get(self._known(camera))

    def picture(self, camera: str) -> LivePicture | None:
        """As `reading`."""
        with self._changed:
            return self._pictures.get(self._known(camera))

    def alarms(self) -> tuple[AlarmStatus, ...]:
        """All of them, those that are quiet included."""
        with self._changed:
            return self._alarms

    def wait(self, seen: int, timeout: float) -> int:
        """Blocks until the board is no longer at version `seen`, at most so many seconds; its version."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != seen, timeout)
            return self._version

    def _change(self, put: Callable[[], None]) -> None:
        with self._changed:
            put()
            self._version += 1
            self._changed.notify_all()

    def _known(self, camera: str) -> str:
        if camera not in self.cameras:
            raise InputError(f"camera {camera!r}: allowed: {', '.join(self.cameras)}")
        return camera
