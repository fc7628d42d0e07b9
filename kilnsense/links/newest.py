"""The newest reading of every camera, and how old it is; a state that is not renewed is withdrawn.

Whoever repeats the last word of a monitor whose cameras' threads hang says something that nobody knows. So
each link watches with its own clock.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from kilnsense.types import Reading


@dataclass(frozen=True)
class Heard:
    """A reading, some time after it came.

    Attributes:
        reading: as it came; withdrawn, see `withdraw`, where it is stale.
        waited: seconds since it came.
        stale: no newer one came for too long.
    """

    reading: Reading
    waited: float
    stale: bool

    @property
    def frame_age(self) -> float | None:
        """Seconds since the frame came that was judged last; None: none yet."""
        age = self.reading.frame_age
        return None if age is None else age + self.waited

    def withdrawn(self) -> "Heard":
        """The same without a state, because from now on nobody watches."""
        return self if self.stale else Heard(withdraw(self.reading, self.waited), self.waited, True)


def withdraw(reading: Reading, after: float) -> Reading:
    """What is to be said instead, if no newer reading came for so many seconds."""
    since = reading.at + after
    return replace(
        reading, state=None, reason="stale", confidence=0.0, since=since, probabilities=(), raw=(), trend=""
    )


class Newest:
    """Thread-safe; holds one reading of each camera.

    Args:
        stale_s: seconds after which a reading is stale.
        clock: seconds that never jump.
    """

    def __init__(self, stale_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stale_s, self._clock = stale_s, clock
        self._lock = threading.Lock()
        self._readings: dict[str, tuple[Reading, float]] = {}

    def put(self, reading: Reading) -> None:
        """Takes the place of the one before."""
        with self._lock:
            self._readings[reading.camera] = (reading, self._clock())

    def get(self, camera: str) -> Heard | None:
        """The newest of a camera; None before the first."""
        with self._lock:
            found = self._readings.get(camera)
            now = self._clock()
        if found is None:
            return None
        reading, came = found
        stale = now - came > self._stale_s
        return Heard(withdraw(reading, self._stale_s) if stale else reading, now - came, stale)
