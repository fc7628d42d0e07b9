"""The history of a monitor, written: readings, spans, five-minute sums, pictures, alarms.

Nothing in here stops a monitor. What cannot be kept is told by `HistoryWriter.trouble`, for the storage
alarm, and every write tries anew. What was kept when a method returned outlives a kill of the process; alarm
events outlive a power failure too.
"""

import fcntl
import json
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from kilnsense.config import HistoryConfig
from kilnsense.errors import StorageError
from kilnsense.record import history_files as files
from kilnsense.record.alarm_journal import Stored, event_to_row
from kilnsense.record.database import refused
from kilnsense.record.history_rows import OpenSpan, add_reading
from kilnsense.record.past import History
from kilnsense.record.retention import remove_beyond, remove_older
from kilnsense.record.writer import Plan, Writer
from kilnsense.types import AlarmEvent, Reading

MOST_WAITING = 10_000
"""Alarm events that wait in memory for a disk that takes them; then the oldest go."""

ROWS_SHARE = 0.1
"""Rows are kept down to this share of the free space at which pictures stop."""

GIGABYTE = 1e9

HISTORY, PICTURES = "The history is not kept", "Pictures are not kept"
ALARMS, REMOVAL = "The alarm journal is not kept", "Old things cannot be removed"


@dataclass(frozen=True)
class Surroundings:
    """What a history is told by the computer; tests give their own.

    Attributes:
        wall, monotonic: the two clocks, seconds.
        free: bytes that are free where a folder lies; raises OSError.
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free


class HistoryWriter:
    """The one writer of a history. Use it in a `with` block; threads may share it.

    Args:
        folder: of the history; made if need be.
        config: what is kept, and for how long.
        surroundings: clocks and free space.

    Raises:
        StorageError: another process writes this history. A disk that takes nothing raises nothing.
    """

    def __init__(self, folder: Path, config: HistoryConfig, surroundings: Surroundings | None = None) -> None:
        self.past = History(folder)
        self.remarks: list[str] = []
        self._folder, self._config = folder, config
        self._around = surroundings or Surroundings()
        self._lock = threading.RLock()
        self._mine: BinaryIO | None = None
        self._spans: dict[str, OpenSpan] = {}
        self._waiting: list[Stored] = []
        self._memory: str | None = None
        self._troubles: dict[str, str] = {}
        self._history = self._writer(files.HISTORY, files.HISTORY_TABLES)
        self._journal = self._writer(files.JOURNAL, files.JOURNAL_TABLES)
        try:
            self._take()
        except _TakenError:
            raise
        except StorageError:
            pass  # the first write meets it again, and tells it
        self._try(HISTORY, lambda: self._history.write(lambda _: None))
        self._try(ALARMS, lambda: self._journal.write(lambda _: None))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._history.close()
        self._journal.close()
        if self._mine is not None:
            self._mine.close()

    @property
    def trouble(self) -> str:
        """What cannot be kept now, why, and what to do; "" where all is kept."""
        with self._lock:
            return " ".join(f"{what}: {why}." for what, why in sorted(self._troubles.items()))

    def add(self, reading: Reading) -> bool:
        """Takes a reading in; whether it is kept."""
        with self._lock:
            if not self._room(HISTORY, ROWS_SHARE):
                self._spans.pop(reading.camera, None)
                return False
            before = self._spans.pop(reading.camera, None)  # where this fails there will be a hole

            def keep() -> None:
                kept = self._history.write(lambda rows: add_reading(rows, reading, before))
                self._spans[reading.camera] = kept

            return self._try(HISTORY, keep)

    def add_picture(
        self, camera: str, at: float, *, why: str, word: str, plain: bytes, overlay: bytes
    ) -> bool:
        """Takes a picture in, two JPEG files; whether it is kept. `why` as in `StoredPicture`."""

        def keep(rows: sqlite3.Connection) -> None:
            asked = "INSERT INTO pictures (camera, at, why, word, bytes) VALUES (?, ?, ?, ?, ?)"
            told = rows.execute(asked, (camera, at, why, word, len(plain) + len(overlay)))
            number = told.lastrowid or 0
            paths = [files.picture_file(self._folder, number, overlay=drawn) for drawn in (False, True)]
            paths[0].parent.mkdir(parents=True, exist_ok=True)
            try:
                for path, data in zip(paths, (plain, overlay), strict=True):
                    path.write_bytes(data)
            except OSError:
                for path in paths:
                    path.unlink(missing_ok=True)
                raise

        with self._lock:
            return self._room(PICTURES, 1.0) and self._try(PICTURES, lambda: self._history.write(keep))

    def add_alarms(self, events: Sequence[AlarmEvent], memory: Mapping[str, Any]) -> bool:
        """Takes events in, and what the alarms must remember (`to_memory`); whether all of it is kept.

        What the disk does not take waits, and is written with the next call that it does take.
        """
        with self._lock:
            self._waiting = [*self._waiting, *map(event_to_row, events)][-MOST_WAITING:]
            self._memory = json.dumps(memory, allow_nan=False, separators=(",", ":"))
            kept = self._try(ALARMS, lambda: self._journal.write(self._write_alarms))
            if kept:
                self._waiting = []
            return kept

    def tidy(self) -> int:
        """Removes what is too old or too much; how many things. Call it every minute or so."""
        removed = 0

        def clean() -> None:
            nonlocal removed
            before = self._around.wall() - self._config.days * 86_400
            removed += remove_older(self._history, self._journal, folder=self._folder, before=before)
            most = self._config.gigabytes * GIGABYTE
            removed += remove_beyond(self._history, folder=self._folder, most=most)

        self._try(REMOVAL, clean)
        return removed

    def _write_alarms(self, rows: sqlite3.Connection) -> None:
        asked = "INSERT INTO events (at, monotonic, action, status, user, reason) VALUES (?, ?, ?, ?, ?, ?)"
        rows.executemany(asked, self._waiting)
        rows.execute("INSERT OR REPLACE INTO memory VALUES (1, ?)", (self._memory,))

    def _try(self, what: str, write: Callable[[], object]) -> bool:
        """Writes; whether it could be done. What failed, and why, is told by `trouble`."""
        why = ""
        try:
            write()
        except (StorageError, OSError) as error:
            why = str(error)
        with self._lock:
            self._troubles.pop(what, None)
            if why:
                self._troubles[what] = why
        return not why

    def _room(self, what: str, share: float) -> bool:
        """Whether so large a share is free of the space at which pictures stop."""
        needed = share * self._config.free_gigabytes * GIGABYTE

        def look() -> None:
            free = self._around.free(self._folder) if self._folder.is_dir() else needed
            if free < needed:
                raise StorageError(
                    f"{free / GIGABYTE:.2f} GB are free at {self._folder}, {needed / GIGABYTE:.2f} GB must "
                    "be; free space, or lower history.gigabytes"
                )

        return self._try(what, look)

    def _writer(self, name: str, tables: str) -> Writer:
        path = self._folder / name
        return Writer(
            Plan(path, tables, files.FORMAT, "FULL" if name == files.JOURNAL else "NORMAL"),
            monotonic=self._around.monotonic,
            prepare=self._take,
            set_aside=lambda: self._set_aside(path),
        )

    def _take(self) -> None:
        """Takes the folder for this process alone."""
        if self._mine is not None:
            return
        lock = self._folder / files.LOCK
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            mine = lock.open("ab")
        except OSError as error:
            raise refused(lock, error) from error
        try:
            fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            mine.close()
            raise _TakenError(
                f"history {self._folder}: another monitor writes it; end that one, or choose another "
                "history.folder"
            ) from error
        self._mine = mine

    def _set_aside(self, path: Path) -> None:
        """Moves what is damaged out of the way; pictures are of no use without their list."""
        at = self._around.wall()
        moved = [files.set_aside(path, at)]
        pictures = self._folder / files.PICTURES
        if path.name == files.HISTORY and pictures.exists():
            moved.append(files.set_aside(pictures, at))
        names = " and ".join(str(each) for each in moved)
        self.remarks.append(f"{path} was damaged; it is kept as {names}, and a fresh one is begun")


class _TakenError(StorageError):
    """Another process writes the history."""
