"""Network cameras, USB cameras and video files through OpenCV, with limits of time that hold.

To be used in a process of its own: OpenCV may block, and what FFmpeg prints is overheard on both outputs of
the whole process, because OpenCV says nothing of why a camera did not open.
"""

import contextlib
import ctypes
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from kilnsense.live.faults import CameraError
from kilnsense.live.source import Source

FASTEST = 250.0
SLOWEST = 0.1
"""Frames a second that a file may claim; beyond that its header or its time stamps are wrong."""

LONGEST_STEP = 10.0
"""Seconds between two frames of a file; a longer one is a jump in its time stamps."""

_SAID = (
    (r"40[13] \(?(unauthorized|forbidden)", "unauthorised"),
    (r"404 \(?[a-z ]*not found", "not_found"),
    (r"connection refused", "refused"),
    (r"failed to resolve|name or service not known", "no_host"),
    (r"no route to host|network is unreachable|host is unreachable", "unreachable"),
    (r"connection timed out", "open_timeout"),
)


def open_stream(address: str, timeout: float) -> cv2.VideoCapture:
    """Opens a network camera: over TCP; decoding in one thread, because more of them hold frames back; and
    without a look at its rate, which takes 20 frames that are old when they are shown.

    Args:
        address: with the login in it.
        timeout: seconds.

    Raises:
        CameraError: with the reason, as far as it could be found.
    """
    os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "24"  # warnings: among them is why a web server refuses
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "rtsp_transport;tcp|fpsprobesize;0"
    begun = time.monotonic()
    with _overheard() as said:
        capture = _open_ffmpeg(address, timeout)
        if capture.isOpened():
            return capture
        text = said().lower()
    for pattern, code in _SAID:
        if re.search(pattern, text):
            raise CameraError(code)
    raise CameraError("open_timeout" if _ran_out(begun, timeout) else "open_failed")


def open_device(address: str, timeout: float) -> cv2.VideoCapture:
    """Opens a camera of this machine, such as ``/dev/video0``. Raises CameraError."""
    _check_readable(address, "no_such_device", stat.S_ISCHR)
    os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] = str(max(1, round(timeout)))
    with _overheard():
        capture = cv2.VideoCapture(address, cv2.CAP_V4L2, [cv2.CAP_PROP_BUFFERSIZE, 1])
    if not capture.isOpened():
        raise CameraError("open_failed")
    return capture


class StreamFeed:
    """Frames of a network or USB camera, as they come. See `Feed`."""

    def __init__(self, capture: cv2.VideoCapture, timeout: float) -> None:
        self._capture, self._timeout = capture, timeout

    def grab(self) -> None:
        """Takes the next frame. Raises CameraError: ``read_timeout`` or ``dropped``."""
        begun = time.monotonic()
        if not self._capture.grab():
            raise CameraError("read_timeout" if _ran_out(begun, self._timeout) else "dropped")

    def retrieve(self) -> NDArray[np.uint8] | None:
        """See `Feed`."""
        return _rgb(self._capture)

    def close(self) -> None:
        """Leaves the camera."""
        self._capture.release()


class FileFeed:
    """A video file, at the speed at which it was taken.

    Time stamps of the frames count where they rise by believable steps: a header may claim 1000 frames a
    second and be right in its own way, with 32 empty ones after each. Else the rate of the header counts, if
    it is believable; and before all of that the rate that the source states.

    Args:
        source: of the kind ``file``.
        timeout: seconds to open it and to read a frame.
        pause: waits until a moment of the monotonic clock.

    Raises:
        CameraError: it cannot be opened; from `grab`, ``ended`` or ``no_rate``.
    """

    def __init__(self, source: Source, *, timeout: float, pause: Callable[[float], None]) -> None:
        _check_readable(source.address, "no_such_file", stat.S_ISREG)
        self._source, self._timeout, self._pause = source, timeout, pause
        self._capture = self._open()
        self._began, self._played, self._stamp, self._frames = time.monotonic(), 0.0, 0.0, 0

    def grab(self) -> None:
        """Takes the next frame when its time has come; at once where that is past."""
        if not self._capture.grab():
            if not self._frames:
                raise CameraError("open_failed")
            if not self._source.loop:
                raise CameraError("ended")
            self._capture.release()
            self._capture, self._frames = self._open(), 0
            self.grab()
            return
        stamp = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
        first_of_all = not self._frames and not self._played
        if not first_of_all:  # the first of a further round follows the last by the usual gap
            self._played += self._step(stamp - self._stamp if self._frames else 0.0)
        self._stamp = stamp
        self._frames += 1
        self._pause(self._began + self._played)

    def retrieve(self) -> NDArray[np.uint8] | None:
        """See `Feed`."""
        return _rgb(self._capture)

    def close(self) -> None:
        """Closes the file."""
        self._capture.release()

    def _open(self) -> cv2.VideoCapture:
        path = str(Path(self._source.address).absolute())  # a bare name could pass for an address
        with _overheard():
            capture = _open_ffmpeg(path, self._timeout)
        if not capture.isOpened():
            raise CameraError("open_failed")
        return capture

    def _step(self, stamped: float) -> float:
        """Seconds from the frame before, where the time stamps claim `stamped`."""
        if self._source.fps:
            return 1 / self._source.fps
        if 1 / FASTEST <= stamped <= LONGEST_STEP:
            return stamped
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        if SLOWEST <= rate <= FASTEST:
            return 1 / rate
        raise CameraError("no_rate")


def _open_ffmpeg(address: str, timeout: float) -> cv2.VideoCapture:
    milliseconds = max(1, round(timeout * 1000))
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds, cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds]
    return cv2.VideoCapture(address, cv2.CAP_FFMPEG, [*limits, cv2.CAP_PROP_N_THREADS, 1])


def _rgb(capture: cv2.VideoCapture) -> NDArray[np.uint8] | None:
    there, bgr = capture.retrieve()
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr), np.uint8) if there else None


def _ran_out(begun: float, timeout: float) -> bool:
    return time.monotonic() - begun > 0.9 * timeout


def _check_readable(path: str, missing: str, kind: Callable[[int], bool]) -> None:
    try:
        there = kind(os.stat(path).st_mode)  # noqa: PTH116 - a device may be meant
    except OSError as error:
        raise CameraError("not_allowed" if isinstance(error, PermissionError) else missing) from error
    if not there:
        raise CameraError(missing)
    if not os.access(path, os.R_OK):
        raise CameraError("not_allowed")


@contextlib.contextmanager
def _overheard() -> Iterator[Callable[[], str]]:
    """What is printed meanwhile on the outputs of this process; it never gets there."""
    file = os.memfd_create("kilnsense-said")
    before = {output: os.dup(output) for output in (1, 2)}
    flush = ctypes.CDLL(None).fflush  # OpenCV writes through the buffers of C

    def said() -> str:
        flush(None)
        return os.pread(file, 1 << 16, 0).decode(errors="replace")

    sys.stdout.flush()
    for output in before:
        os.dup2(file, output)
    try:
        yield said
    finally:
        flush(None)
        for output, kept in before.items():
            os.dup2(kept, output)
            os.close(kept)
        os.close(file)
