"""What the board says as JSON for the page: one message with everything, each time anew."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from kilnsense.live.board import Board
from kilnsense.types import AlarmStatus, CameraHealth, Reading

Clock = Callable[[], float]

Ages = dict[str, tuple[float | None, float | None]]
"""Per camera: seconds of its reading and of its picture; None where there is none yet."""


class Sights:
    """How old the newest reading and picture of each camera are, in seconds of the monotonic clock.

    The moments that readings bear are of the clock of the wall, which can be set. So it is noted here when
    each was first seen; the moments count only for what may have come since the look before.

    Args:
        board: that is looked at, every time that an age is asked for.
        clock, wall: the monotonic clock, and the seconds since 1970.
    """

    def __init__(self, board: Board, clock: Clock = time.monotonic, wall: Clock = time.time) -> None:
        self._board, self._clock, self._wall = board, clock, wall
        self._came: dict[str, tuple[object, float]] = {}  # what was seen, and when it came
        self._looked: float | None = None
        self._lock = threading.Lock()

    def ages(self) -> Ages:
        """Per camera: of its reading and of its picture; None where there is none yet."""
        with self._lock:
            return self._ages()

    def _ages(self) -> Ages:
        now = self._clock()
        longest = None if self._looked is None else now - self._looked
        self._looked = now
        found: Ages = {}
        for name in self._board.cameras:
            reading, picture = self._board.reading(name), self._board.picture(name)
            of_reading = None if reading is None else self._age(f"r {name}", reading, reading.at, longest)
            of_picture = None if picture is None else self._age(f"p {name}", picture, picture.at, longest)
            found[name] = (of_reading, of_picture)
        return found

    def _age(self, key: str, thing: object, at: float, longest: float | None) -> float:
        now = self._clock()
        before = self._came.get(key)
        if before is not None and before[0] is thing:
            return now - before[1]
        age = max(0.0, self._wall() - at)
        age = age if longest is None else min(age, longest)
        self._came[key] = (thing, now - age)
        return age


def snapshot(board: Board, sights: Sights, now: float) -> bytes:
    """The whole board as one JSON object.

    Args:
        board: of the cameras.
        sights: tells the ages.
        now: seconds since 1970.
    """
    ages = sights.ages()
    cameras = []
    for name in board.cameras:
        reading, picture = board.reading(name), board.picture(name)
        of_reading, of_picture = ages[name]
        cameras.append(
            {
                "name": name,
                "age": of_reading,
                "picture": None
                if picture is None
                else {"seq": picture.seq, "at": picture.at, "age": of_picture},
                "reading": None if reading is None else _reading(reading),
            }
        )
    alarms = [_alarm(alarm) for alarm in board.alarms()]
    told = {"now": now, "site": board.site, "cameras": cameras, "alarms": alarms}
    return json.dumps(told, separators=(",", ":"), allow_nan=False).encode()


def _reading(reading: Reading) -> dict[str, Any]:
    return {
        "seq": reading.seq,
        "at": reading.at,
        "classes": reading.classes,
        "state": reading.state,
        "reason": reading.reason,
        "confidence": reading.confidence,
        "since": reading.since,
        "probabilities": reading.probabilities,
        "unfamiliarity": reading.unfamiliarity,
        "trend": reading.trend,
        "health": _health(reading.health),
        "frame_age": reading.frame_age,
        "model_id": reading.model_id,
    }


def _health(health: CameraHealth) -> dict[str, Any]:
    return {
        "state": health.state,
        "detail": health.detail,
        "message": health.message,
        "since": health.since,
        "rate": health.rate,
        "reconnects": health.reconnects,
    }


def _alarm(alarm: AlarmStatus) -> dict[str, Any]:
    return {
        "id": alarm.id,
        "camera": alarm.camera,
        "kind": alarm.kind,
        "priority": alarm.priority,
        "active": alarm.active,
        "acked": alarm.acked,
        "latched": alarm.latched,
        "shown": alarm.shown,
        "shelved_until": alarm.shelved_until,
        "shelved_by": alarm.shelved_by,
        "shelve_reason": alarm.shelve_reason,
        "suppressed": alarm.suppressed,
        "since": alarm.since,
        "text": alarm.text,
    }
