"""A camera as the monitor sees it: a process that is watched, ended where it hangs, and started for ever."""

import contextlib
import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Self

import numpy as np

from kilnsense.config.monitor import CameraConfig, CaptureConfig
from kilnsense.growing_wait import growing_wait
from kilnsense.live.drain import Lost, Opened, Orders, drain
from kilnsense.live.faults import CAMERA_FAULTS, FINAL_FAULTS
from kilnsense.live.feed import Login
from kilnsense.live.shared_frame import Pulse, SharedFrame
from kilnsense.live.source import camera_source
from kilnsense.types import CameraHealth

START_PATIENCE = 30.0
"""Seconds that a new process has to say its first word, on a machine that is busy."""

STEADY_AFTER = 2.0
"""Seconds of frames after which a camera is well: the next wait to reconnect begins at the shortest again."""

AT_THE_DOOR = 3.0
"""Seconds of a wait that are waited here; for the rest the new process waits, and looks for the camera."""

USUAL_GAPS = 5
OFTEN, OFTEN_S = 5, 60.0
_RATE_S = 5.0
_JITTER = 0.2
_PATIENT = ("unauthorised", "not_found", "no_password", "not_allowed", "no_rate", "crashed", "program_fault")
"""Faults that an answer of the camera does not end: the whole wait is waited. Many cameras lock a user out
who tries a wrong password too often."""


def wait_before(attempt: int, *, longest: float, rng: np.random.Generator) -> float:
    """Seconds to wait before so manieth attempt to reconnect, from 1: 1, 2, 4, 8 .. `longest`, +-20 %."""
    return growing_wait(attempt, longest=longest) * float(rng.uniform(1 - _JITTER, 1 + _JITTER))


@dataclass
class _Child:
    """The process of the camera, what it said, and when."""

    process: BaseProcess
    pipe: Connection
    since: float | None = None  # first seen by `poll`
    opened: float | None = None
    last: Lost | None = None
    gone: bool = False  # its end of the pipe is closed
    killed: bool = False
    delivered: bool = False  # frames


class Camera:
    """One camera. `start` it, `poll` it several times a second, `close` it; or use it in a `with` block.

    It keeps no thread and never waits for the camera: all of that is done by a process of its own, of which
    there is never more than one. Another process reads the pictures with ``SharedFrame(camera.memory)``.

    Args:
        camera: its source and login.
        capture: limits of time.
        wall: seconds since 1970, only to say when a state began.
        rng: spreads the attempts to reconnect of several cameras.

    Raises:
        ConfigError: the source or the login cannot be meant.
    """

    def __init__(
        self,
        camera: CameraConfig,
        capture: CaptureConfig,
        *,
        wall: Callable[[], float] = time.time,
        rng: np.random.Generator | None = None,
    ) -> None:
        self._source = camera_source(camera)
        self._login = Login(camera.user, camera.password_file)
        self._capture, self._wall, self._rng = capture, wall, rng or np.random.default_rng()
        self._shared: SharedFrame | None = None
        self._child: _Child | None = None
        self._due: float | None = None  # moment of the next attempt, while there is no process
        self._further_wait, self._attempt = 0.0, 0
        self._state, self._detail, self._more, self._since = "CONNECTING", "", "", wall()
        self._frames = self._openings = self._counted = 0
        self._live_since: float | None = None
        self._seen: deque[tuple[float, int]] = deque()
        self._losses: deque[float] = deque(maxlen=OFTEN)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def memory(self) -> str:
        """Name of the `SharedFrame` with the newest picture; "" before `start`."""
        return self._shared.name if self._shared else ""

    @property
    def process_id(self) -> int | None:
        """Of the process that reads the camera; None where there is none just now."""
        return self._child.process.pid if self._child else None

    def start(self) -> None:
        """Begins to connect. Call it, and everything else, from one thread. Raises OSError: no process."""
        if self._shared is None:
            self._shared = SharedFrame()
            self._spawn()

    def poll(self, now: float) -> CameraHealth:
        """Does what is due, and says how the camera does. It never waits.

        Args:
            now: ``time.monotonic()``; the process of the camera uses the same clock.
        """
        if self._shared is None:
            raise RuntimeError("Camera.poll: call start first")
        pulse = self._shared.pulse()
        self._frames += max(0, pulse.grabbed - self._counted)
        self._counted = pulse.grabbed
        if self._child is not None:
            self._hear(self._child, now)
            self._judge(self._child, pulse, now)
        elif self._due is not None and now >= self._due:
            try:
                self._spawn()
            except OSError:
                self._set("OFFLINE", "no_process")
                self._back_off(now)
        return CameraHealth(
            state=self._state,
            detail=self._detail,
            message=self._message(now),
            since=self._since,
            frames=self._frames,
            reconnects=max(0, self._openings - 1),
            rate=self._rate(now),
        )

    def close(self) -> None:
        """Ends the process and gives the memory back. Twice is once."""
        if self._child is not None:
            self._end(self._child)
            self._child.process.join(5.0)
            with contextlib.suppress(ValueError):  # the system cannot end it: it hangs in a driver
                self._child.process.close()
            self._child = None
        if self._shared is not None:
            self._shared.close()
            self._shared = None
        self._due = None

    def _hear(self, child: _Child, now: float) -> None:
        try:
            while not child.gone and child.pipe.poll():
                said = child.pipe.recv()
                if isinstance(said, Opened):
                    child.opened = now
                else:
                    child.last = said
        except (EOFError, OSError):
            child.gone = True

    def _judge(self, child: _Child, pulse: Pulse, now: float) -> None:
        if child.since is None:
            child.since = now
        if not child.killed:
            self._look(child, pulse, now)
        if child.gone or child.last is not None:
            self._lose(child.last or Lost("crashed"), child, pulse, now)
        elif now > (pulse.alive_until or child.since + START_PATIENCE):
            self._lose(Lost("hung"), child, pulse, now)

    def _look(self, child: _Child, pulse: Pulse, now: float) -> None:
        """Whether frames come."""
        limit = max(self._capture.stalled_s, USUAL_GAPS * pulse.gap)
        if pulse.grabbed and now - pulse.arrived <= limit:
            if self._state != "LIVE":
                if not child.delivered:
                    child.delivered, self._openings = True, self._openings + 1
                self._set("LIVE", "")
                self._seen.clear()
                self._live_since = now
            elif self._live_since is not None and now - self._live_since >= STEADY_AFTER:
                self._attempt = 0
        elif child.opened is not None and now - max(child.opened, pulse.arrived) > limit:
            self._set("STALLED", "stalled")

    def _lose(self, why: Lost, child: _Child, pulse: Pulse, now: float) -> None:
        """The process has ended, or is ended here. Nothing starts before it is gone for good."""
        if not child.killed:
            self._end(child)
            state = "STALLED" if pulse.grabbed and why.code not in FINAL_FAULTS else "OFFLINE"
            self._set(state, why.code, why.more)
            self._losses.append(now)
            self._back_off(now)
            if why.code in FINAL_FAULTS:
                self._due = None
        if child.process.exitcode is not None:
            child.process.close()
            self._child = None

    def _back_off(self, now: float) -> None:
        self._attempt += 1
        wait = wait_before(self._attempt, longest=self._capture.longest_wait_s, rng=self._rng)
        here = min(wait, AT_THE_DOOR)
        self._due, self._further_wait = now + here, wait - here

    def _end(self, child: _Child) -> None:
        if not child.killed:
            child.killed = True
            child.pipe.close()
            child.process.kill()

    def _spawn(self) -> None:
        assert self._shared is not None  # it was started
        self._shared.reset()
        self._counted = 0
        orders = Orders(
            self._source,
            self._login,
            self._shared.name,
            timeout=self._capture.timeout_s,
            wait=self._further_wait,
            knock=self._detail not in _PATIENT,
        )
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=drain, args=(theirs, orders), daemon=True)
        resource_tracker.ensure_running()  # which would let signals through again, if it began only now
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # Ctrl-C is the parent's business
        try:
            process.start()
        except OSError:
            ours.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()  # so that its end is heard of
        self._child = _Child(process, ours)

    def _set(self, state: str, detail: str, more: str = "") -> None:
        if state != self._state:
            self._since = self._wall()
        self._state, self._detail, self._more = state, detail, more

    def _message(self, now: float) -> str:
        if not self._detail:
            return ""
        text = f"{self._source.shown}: {CAMERA_FAULTS[self._detail]}"
        if self._more:
            text += f" ({self._more})"
        if len(self._losses) == OFTEN and now - self._losses[0] <= OFTEN_S:
            text += f"; lost {OFTEN} times within a minute, still trying"
        return text

    def _rate(self, now: float) -> float:
        self._seen.append((now, self._frames))
        while len(self._seen) > 2 and self._seen[1][0] <= now - _RATE_S:
            self._seen.popleft()
        (begun, first), (_, last) = self._seen[0], self._seen[-1]
        return (last - first) / (now - begun) if now > begun else 0.0
