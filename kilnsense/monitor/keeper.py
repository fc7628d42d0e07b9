"""What of the live pictures is kept: one now and then, those around a change, and one of every alarm."""

import math
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from kilnsense.live.board import LivePicture
from kilnsense.monitor.watch import Outcome
from kilnsense.types import AlarmEvent

AROUND_S = 10.0
"""Before and after a change."""

STEP_S = 2.0
"""Between two pictures around a change."""


class PictureStore(Protocol):
    """Keeps pictures; see `record.history.HistoryWriter`."""

    def add_picture(
        self, camera: str, at: float, *, why: str, word: str, plain: bytes, overlay: bytes
    ) -> bool:
        """Whether it was kept."""
        ...


@dataclass
class _Recent:
    """The pictures of one camera that may yet be asked for; `moment`s are monotonic seconds."""

    ring: deque[tuple[float, str, LivePicture]] = field(default_factory=deque)
    word: str | None = None
    regular_at: float | None = None
    change_until: float = -math.inf
    kept: set[int] = field(default_factory=set)


class Keeper:
    """Chooses the pictures of all cameras. Threads may share it.

    Args:
        store: keeps them.
        every_s: seconds between two pictures where nothing happens.
    """

    def __init__(self, store: PictureStore, *, every_s: float) -> None:
        self._store, self._every = store, every_s
        self._cameras: dict[str, _Recent] = {}
        self._lock = threading.Lock()

    def take(self, outcome: Outcome, now: float) -> None:
        """Takes in what a turn brought, at a moment of the monotonic clock."""
        camera, word = outcome.reading.camera, outcome.reading.word
        with self._lock:
            recent = self._cameras.setdefault(camera, _Recent())
            changed = recent.word is not None and word != recent.word
            recent.word = word
            if changed:
                recent.change_until = now + AROUND_S
                for moment, was, picture in recent.ring:
                    if now - moment <= AROUND_S:
                        self._keep(camera, recent, picture, why="change", word=was)
            if outcome.picture is None or (recent.ring and now - recent.ring[-1][0] < STEP_S):
                return
            recent.ring.append((now, word, outcome.picture))
            while recent.ring[0][0] < now - AROUND_S:
                recent.kept.discard(recent.ring.popleft()[2].seq)
            if now <= recent.change_until:
                self._keep(camera, recent, outcome.picture, why="change", word=word)
            elif recent.regular_at is None or now - recent.regular_at >= self._every:
                recent.regular_at = now
                self._keep(camera, recent, outcome.picture, why="regular", word=word)

    def alarm(self, event: AlarmEvent) -> None:
        """Keeps the newest picture of a camera that raises an alarm: its evidence."""
        if event.action != "raised":
            return
        with self._lock:
            recent = self._cameras.get(event.status.camera)
            if recent is not None and recent.ring:
                _, word, picture = recent.ring[-1]
                self._keep(event.status.camera, recent, picture, why="alarm", word=word)

    def _keep(self, camera: str, recent: _Recent, picture: LivePicture, *, why: str, word: str) -> None:
        """Each picture once; one that the disk refuses is gone, and the store tells of it."""
        if picture.seq not in recent.kept:
            recent.kept.add(picture.seq)
            self._store.add_picture(
                camera, picture.at, why=why, word=word, plain=picture.plain, overlay=picture.overlay
            )
