"""Readings as CSV or JSON lines: a file for each camera and day (UTC), ``readings/<camera>-<date>.<format>``.

A line is written when what is published changes, and every ten seconds; it is on the disk before the next
one is begun. A line that a crash cut short is removed before the file is continued. While the disk is full
the newest lines wait in memory.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from kilnsense.csv_line import csv_line
from kilnsense.errors import StorageError
from kilnsense.links.lasting import LastingThread
from kilnsense.links.link import Station
from kilnsense.links.newest import Heard
from kilnsense.links.payload import encoded, moment, state_payload
from kilnsense.types import AlarmEvent, Reading

EVERY_S = 10.0
MOST_WAITING = 10_000
"""Lines that are held in memory while the disk takes none; about a day of one camera."""

COLUMNS = (
    *("at", "camera", "seq", "state", "reason", "confidence", "since", "age_s", "trend"),
    *("health", "detail", "bed_edge", "model_id"),
)
"""Of the CSV; the probabilities of the classes follow as ``p_<class>``."""


def open_files(
    formats: Iterable[str], station: Station, *, clock: Callable[[], float] = time.monotonic
) -> "FilesLink":
    """A link that writes in its own thread.

    Args:
        formats: ``csv``, ``jsonl`` or both.
        station: who speaks; the folder ``readings`` below its folder is written.
        clock: seconds that never jump.
    """
    return FilesLink(tuple(formats), station, clock=clock)


class FilesLink:
    """See the module; made by `open_files`."""

    def __init__(
        self, formats: tuple[str, ...], station: Station, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._formats, self._site, self._clock = formats, station.site, clock
        self._folder = station.folder / "readings"
        self._lock = threading.Lock()
        self._said: dict[str, tuple[object, float]] = {}
        self._waiting: deque[tuple[str, Reading]] = deque(maxlen=MOST_WAITING)
        self._lost = 0
        self._thread = LastingThread("files", self._write, longest_wait=10.0)
        self._thread.start()

    def reading(self, reading: Reading) -> None:
        """As of `Link`."""
        now, gist = self._clock(), (reading.word, reading.reason, reading.trend, reading.health.state)
        with self._lock:
            before, when = self._said.get(reading.camera, (None, 0.0))
            if gist == before and now - when < EVERY_S:
                return
            self._said[reading.camera] = (gist, now)
            for form in self._formats:
                self._lost += len(self._waiting) == MOST_WAITING
                self._waiting.append((form, reading))
        self._thread.stir()

    def alarm(self, event: AlarmEvent) -> None:
        """As of `Link`; alarms are not written here, the journal of the history holds them."""

    def trouble(self) -> str:
        """As of `Link`."""
        wrong = self._thread.trouble
        return f"{wrong}; {self._lost} lines were given up" if wrong and self._lost else wrong

    def close(self) -> None:
        """As of `Link`."""
        self._thread.close(5.0)

    def _write(self) -> None:
        while True:
            ending = self._thread.ending  # asked before, so that what came until then is written
            while self._waiting:
                form, reading = self._waiting[0]
                self._append(form, reading)
                with self._lock:
                    # What is at the front may have been pushed out meanwhile.
                    if self._waiting and self._waiting[0][1] is reading and self._waiting[0][0] == form:
                        self._waiting.popleft()
            self._thread.well()
            if ending:
                return
            self._thread.rest(60.0)

    def _append(self, form: str, reading: Reading) -> None:
        name = f"{reading.camera}-{datetime.fromtimestamp(reading.at, UTC):%Y-%m-%d}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if form == "jsonl":
                payload = state_payload(Heard(reading, 0.0, False), site=self._site)
                append_line(self._folder / f"{name}.jsonl", encoded(payload) + "\n")
            else:
                header = csv_line((*COLUMNS, *(f"p_{one}" for one in reading.classes)))
                path = _file_with(header, self._folder, name)
                append_line(path, csv_line(_cells(reading)), header=header)
        except OSError as error:
            raise StorageError(
                f"files {self._folder}: cannot be written ({error.strerror or error}); free space"
            ) from error


def append_line(path: Path, line: str, *, header: str = "") -> None:
    """Adds a whole line to a file and flushes it to the disk; a torn last line is removed first.

    Args:
        path: the file; made with the header if it is not there or empty.
        line: with its end.
        header: the first line, with its end; "": none.

    Raises:
        OSError: it cannot be written; the file then ends where it did before.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        end = _whole_lines(descriptor)
        os.ftruncate(descriptor, end)
        data = (line if end else header + line).encode()
        try:
            done = 0
            while done < len(data):
                done += os.pwrite(descriptor, data[done:], end + done)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, end)
            raise
    finally:
        os.close(descriptor)


def _whole_lines(descriptor: int) -> int:
    """Length of a file up to the end of its last whole line."""
    size = os.fstat(descriptor).st_size
    end, chunk = size, 4096
    while end > 0:
        start = max(0, end - chunk)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _file_with(header: str, folder: Path, name: str) -> Path:
    """The CSV of that day with this header; a model with other classes begins another file."""
    path, number = folder / f"{name}.csv", 1
    while path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            first = file.readline()
        if first == header or not first.endswith("\n"):  # a torn header is written anew
            return path
        number += 1
        path = folder / f"{name}-{number}.csv"
    return path


def _cells(reading: Reading) -> tuple[object, ...]:
    shares = (f"{share:.4f}" for share in reading.probabilities or ())
    return (
        *(moment(reading.at), reading.camera, reading.seq, reading.word, reading.reason),
        *(f"{reading.confidence:.4f}", moment(reading.since)),
        "" if reading.frame_age is None else f"{reading.frame_age:.3f}",
        *(reading.trend, reading.health.state, reading.health.detail),
        "" if reading.bed_edge is None else f"{reading.bed_edge:.4f}",
        reading.model_id,
        *(shares if reading.probabilities else ("",) * len(reading.classes)),
    )
