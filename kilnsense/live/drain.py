"""The process of one camera: opens it once, takes every frame, and passes on the newest few a second.

It takes every frame, because those that are left lie in the connection and make the picture older and older.
It has one life: where the camera is lost it says why and ends, and its parent starts another one.
"""

import contextlib
import os
import signal
import socket
import statistics
import threading
import time
from collections import deque
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

import cv2

from kilnsense.live.faults import CameraError
from kilnsense.live.feed import Feed, Login, open_feed
from kilnsense.live.shared_frame import SharedFrame
from kilnsense.live.source import Source, host_and_port
from kilnsense.process_name import name_process

PICTURES_EVERY = 0.115
"""Seconds between two pictures that are passed on: at 25 frames a second each third one."""

SPARE = 2.0
"""Seconds beyond the time limit after which a silent process has hung."""

KNOCK_EVERY = 2.0
_GAPS = 15
_SLICE = 0.5


@dataclass(frozen=True)
class Orders:
    """What the process of a camera is told.

    Attributes:
        source: what to open.
        login: of a network camera.
        memory: name of the `SharedFrame` that it writes.
        timeout: seconds, to open and to wait for a frame.
        wait: seconds to wait before it opens.
        knock: while it waits it looks whether the camera answers again, and then waits no longer.
    """

    source: Source
    login: Login
    memory: str
    timeout: float
    wait: float = 0.0
    knock: bool = False


@dataclass(frozen=True)
class Opened:
    """The camera is open."""


@dataclass(frozen=True)
class Lost:
    """The last word: why there are no more pictures; `more` says where the fault of a program was."""

    code: str
    more: str = ""


def drain(pipe: Connection, orders: Orders) -> None:
    """The life of the process. It ends with its parent, also where it is waiting for a frame."""
    name_process("kiln-camera")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device
        for output in (1, 2):  # what decoders print of single frames helps nobody
            os.dup2(nowhere.fileno(), output)
    threading.Thread(target=_die_with, args=(pipe,), daemon=True).start()
    cv2.setNumThreads(1)
    try:
        with SharedFrame(orders.memory) as memory:
            _capture(pipe, orders, memory)
    except CameraError as fault:
        last = Lost(fault.code)
    except Exception as error:  # noqa: BLE001 - the parent must hear of it, whatever it is
        # Its text is left out: it might quote the address.
        last = Lost("program_fault", f"{type(error).__name__} at {_place(error)}")
    with contextlib.suppress(OSError):
        pipe.send(last)
    # Threads of OpenCV may still be at work, on which an orderly end crashes.
    os._exit(0)


def _capture(pipe: Connection, orders: Orders, memory: SharedFrame) -> NoReturn:
    """Raises CameraError in the end."""
    beat = _Beat(memory, orders.timeout + SPARE)
    if orders.wait:
        _wait(orders, beat)
    beat()
    feed = open_feed(orders.source, orders.login, timeout=orders.timeout, pause=beat.until)
    with contextlib.closing(feed):
        pipe.send(Opened())
        _follow(feed, memory, beat)


def _follow(feed: Feed, memory: SharedFrame, beat: "_Beat") -> NoReturn:
    """Until the feed raises CameraError."""
    gaps: deque[float] = deque(maxlen=_GAPS)
    before = published = 0.0
    while True:
        beat()
        feed.grab()
        now = time.monotonic()
        if before:
            gaps.append(now - before)
        before = now
        memory.count(arrived=now, gap=statistics.median(gaps) if len(gaps) >= 3 else 0.0)
        if now - published >= PICTURES_EVERY:
            at = time.time()
            pixels = feed.retrieve()
            if pixels is not None:
                memory.publish(pixels, arrived=now, at=at)
                published = now


class _Beat:
    """Says that the process is alive. If it is not heard of again in time, the system ends the process."""

    def __init__(self, memory: SharedFrame, patience: float) -> None:
        self._memory, self._patience = memory, patience

    def __call__(self) -> None:
        self._memory.beat(alive_until=time.monotonic() + self._patience)
        # For a process without a parent: the parent itself is quicker.
        signal.alarm(int(self._patience + SPARE) + 1)

    def until(self, moment: float) -> None:
        """Waits until a moment of the monotonic clock, alive."""
        while (left := moment - time.monotonic()) > 0:
            self()
            time.sleep(min(left, _SLICE))


def _wait(orders: Orders, beat: _Beat) -> None:
    """Waits until it is time, or until the camera answers."""
    over = time.monotonic() + orders.wait
    while (left := over - time.monotonic()) > 0:
        beat.until(time.monotonic() + min(KNOCK_EVERY, left))
        beat()
        if orders.knock and _answers(orders.source, min(1.0, orders.timeout)):
            return


def _answers(source: Source, timeout: float) -> bool:
    """Whether a camera is there: its file, or some answer of its server."""
    if source.kind != "stream":
        return Path(source.address).exists()
    scheme = source.address.partition("://")[0]
    try:
        with socket.create_connection(host_and_port(source), timeout) as door:
            if scheme in ("rtsps", "https"):
                return True  # who takes the connection is there; more is asked when it is opened
            version = "RTSP/1.0" if scheme == "rtsp" else "HTTP/1.0"
            door.sendall(f"OPTIONS * {version}\r\nCSeq: 1\r\n\r\n".encode())
            return bool(door.recv(1))
    except OSError:
        return False


def _die_with(pipe: Connection) -> None:
    """Ends the process when the parent's end of the pipe is gone; OpenCV lets other threads run meanwhile."""
    with contextlib.suppress(EOFError, OSError):
        pipe.recv()
    os.kill(os.getpid(), signal.SIGKILL)


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
