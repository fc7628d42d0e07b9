"""Alarm events that wait for a partner: kept in a SQLite file until the partner has confirmed them.

All writing is done by one thread over the only connection. `put` and `remove` merely take note, so neither
an alarm nor the talk with the partner ever waits for a slow or full disk. An event that could not be written
yet is sent all the same. After a kill, a confirmed event whose removal was not written yet is sent again.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kilnsense.errors import StorageError
from kilnsense.links.lasting import LastingThread

MOST_UNWRITTEN = 10_000
"""Events that are held in memory while the disk takes none."""

_TABLE = "CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY, body TEXT NOT NULL)"


@dataclass(frozen=True)
class Letter:
    """A waiting event; numbers grow in the order of the events."""

    number: int
    body: str


class Outbox:
    """Open from the start; close it.

    Args:
        path: of the file; what waits there from an earlier run is sent first.
        most_rows: beyond it the oldest go and are counted.
        arrived: is called, from another thread, after events became visible to `after`.

    Raises:
        StorageError: the file can neither be opened nor made.
    """

    def __init__(self, path: Path, *, most_rows: int, arrived: Callable[[], None] = lambda: None) -> None:
        self._path, self._most, self._arrived = path, most_rows, arrived
        self._memory, self._disk = threading.Lock(), threading.Lock()
        self._unwritten: deque[Letter] = deque()
        self._gone: set[int] = set()
        self.dropped = 0
        """Events that were given up since the start, oldest first, because too many waited."""
        self._connection, self._remark = _open(path)
        self._newest, self._rows = self._facts()
        self._writer = LastingThread(f"outbox {path.name}", self._write, longest_wait=5.0)
        self._writer.start()

    @property
    def newest(self) -> int:
        """Number of the newest event; 0 where there never was one."""
        return self._newest

    def put(self, body: str) -> None:
        """Adds an event. Returns at once."""
        with self._memory:
            self._newest += 1
            self._unwritten.append(Letter(self._newest, body))
            if len(self._unwritten) > min(MOST_UNWRITTEN, self._most):
                self._unwritten.popleft()
                self.dropped += 1
        self._arrived()
        self._writer.stir()

    def remove(self, number: int) -> None:
        """The partner has confirmed this event. Returns at once."""
        with self._memory:
            self._gone.add(number)
        self._writer.stir()

    def after(self, number: int, limit: int) -> list[Letter]:
        """The next waiting events behind a number, in order.

        Raises:
            StorageError: the file cannot be read any more.
        """
        with self._disk:
            with self._memory:
                gone, fresh = frozenset(self._gone), tuple(self._unwritten)
            asked = "SELECT number, body FROM events WHERE number > ? ORDER BY number LIMIT ?"
            try:
                rows = self._connection.execute(asked, (number, limit + len(gone))).fetchall()
            except sqlite3.Error as error:
                raise _refused(self._path, error) from error
        found = {one: Letter(one, body) for one, body in rows}
        found |= {letter.number: letter for letter in fresh if letter.number > number}
        return [found[one] for one in sorted(found) if one not in gone][:limit]

    def waiting(self) -> int:
        """How many events wait."""
        with self._memory:
            return max(0, self._rows + len(self._unwritten) - len(self._gone))

    def trouble(self) -> str:
        """What is wrong with the file now; "" if nothing is."""
        return "; ".join(part for part in (self._remark, self._writer.trouble) if part)

    def close(self) -> None:
        """Writes what is not written yet, if the disk takes it."""
        self._writer.close(5.0)
        with self._disk:
            self._connection.close()

    def _write(self) -> None:
        while True:
            ending = self._writer.ending  # asked before, so that what came until then is written
            self._settle()
            self._writer.well()
            if ending:
                return
            self._writer.rest(60.0)

    def _settle(self) -> None:
        """Writes what came and deletes what went, in one transaction."""
        with self._disk:
            with self._memory:
                fresh, gone = list(self._unwritten), frozenset(self._gone)
            if not fresh and not gone:
                return
            values = [(letter.number, letter.body) for letter in fresh if letter.number not in gone]
            try:
                with self._connection as connection:
                    connection.executemany("INSERT INTO events VALUES (?, ?)", values)
                    connection.executemany("DELETE FROM events WHERE number = ?", [(one,) for one in gone])
                    surplus = self._count() - self._most
                    if surplus > 0:
                        last = "SELECT number FROM events ORDER BY number LIMIT ?"
                        connection.execute(f"DELETE FROM events WHERE number IN ({last})", (surplus,))
                rows = self._count()
            except sqlite3.Error as error:
                raise _refused(self._path, error) from error
            with self._memory:
                written = {letter.number for letter in fresh}
                self._unwritten = deque(one for one in self._unwritten if one.number not in written)
                self._gone -= gone
                self._rows = rows
                self.dropped += max(0, surplus)

    def _count(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM events").fetchone()[0])

    def _facts(self) -> tuple[int, int]:
        asked = "SELECT coalesce(max(number), 0), count(*) FROM events"
        newest, rows = self._connection.execute(asked).fetchone()
        return newest, rows


def _open(path: Path) -> tuple[sqlite3.Connection, str]:
    """A connection, and what is to be said of an earlier file that was damaged."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _connect(path), ""
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # no right to write, a full disk: not damaged
                raise
            aside = path.with_name(f"{path.name}.corrupt.{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
            for suffix in ("", "-wal", "-shm"):
                other = path.with_name(path.name + suffix)
                if other.exists():
                    other.replace(aside.with_name(aside.name + suffix))
            return _connect(
                path
            ), f"{path.name} was damaged and is now {aside.name}; its events were not sent"
    except (OSError, sqlite3.Error) as error:
        raise _refused(path, error) from error


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        found = connection.execute("PRAGMA quick_check").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        connection.execute(_TABLE)
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection


def _refused(path: Path, error: Exception) -> StorageError:
    return StorageError(f"{path}: events cannot be kept ({error}); free space, or choose another folder")
