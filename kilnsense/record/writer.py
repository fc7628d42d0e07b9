"""The one writer of a SQLite file of the monitor: it opens itself, and again after every fault.

A disk that is full, a folder that became read-only, a file that is damaged: each is an error of one write,
and the next write tries again. A damaged file is set aside and a fresh one begun, for a monitor must go on.
"""

import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from kilnsense.errors import StorageError
from kilnsense.record.database import connect_writer, create_database, refused

RETRY_S = 5.0
"""Between two attempts to open a file that could not be opened, seconds."""

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_PASSING = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CONSTRAINT)
"""Errors after which an open connection is as good as before."""

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Plan:
    """What a file is to be.

    Attributes:
        path: the file.
        tables: SQL that makes them.
        format: number of that form.
        synchronous: as in `kilnsense.record.database.connect_writer`.
    """

    path: Path
    tables: str
    format: int
    synchronous: Literal["NORMAL", "FULL"]


class Writer:
    """The writer of a file; threads may share it.

    Args:
        plan: of the file.
        monotonic: says the seconds of the monotonic clock.
        prepare: done before the file is opened; may raise StorageError.
        set_aside: moves a damaged file out of the way; may raise OSError.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        monotonic: Callable[[], float],
        prepare: Callable[[], None],
        set_aside: Callable[[], None],
    ) -> None:
        self.path = plan.path
        self._plan, self._monotonic = plan, monotonic
        self._prepare, self._set_aside = prepare, set_aside
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._refused: tuple[float, StorageError] | None = None

    def write(self, do: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Does something in one transaction, all of it or nothing. Raises StorageError."""
        with self._lock:
            connection = self._opened()
            try:
                with connection:
                    return do(connection)
            except sqlite3.Error as error:
                if _code(error) not in _PASSING:
                    self._close()
                raise refused(self.path, error) from error
            except OSError as error:  # files that belong to the rows
                raise refused(self.path, error) from error

    def shrink(self, pages: int) -> None:
        """Gives free pages back to the disk, so many at most. Raises StorageError."""
        with self._lock:
            try:
                # A script runs to its end; a single statement without columns would free one page.
                self._opened().executescript(f"PRAGMA incremental_vacuum({pages})")
            except sqlite3.Error as error:
                raise refused(self.path, error) from error

    def close(self) -> None:
        """Ends it; a later write opens it again."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _opened(self) -> sqlite3.Connection:
        if self._connection is not None:
            return self._connection
        now = self._monotonic()
        if self._refused is not None and now - self._refused[0] < RETRY_S:
            raise self._refused[1]
        try:
            self._prepare()
            self._connection = self._open()
        except StorageError as error:
            self._refused = (now, error)
            raise
        except (OSError, sqlite3.Error) as error:
            self._refused = (now, refused(self.path, error))
            raise self._refused[1] from error
        return self._connection

    def _open(self) -> sqlite3.Connection:
        plan = self._plan
        if plan.path.exists() and not _is_sound(plan):
            self._set_aside()
        if not plan.path.exists():
            create_database(plan.path, plan.tables, {"format": plan.format})
        return connect_writer(plan.path, synchronous=plan.synchronous, threads=True)


def _is_sound(plan: Plan) -> bool:
    """Whether the file is whole. Raises StorageError where it is of another format."""
    try:
        with closing(connect_writer(plan.path, synchronous=plan.synchronous)) as connection:
            if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                return False
            found = connection.execute("SELECT value FROM facts WHERE name = 'format'").fetchone()
            number = json.loads(found[0]) if found else None
    except ValueError:
        return False
    except sqlite3.Error as error:
        if _code(error) in _DAMAGED or "no such table" in str(error):
            return False
        raise
    if number != plan.format:
        raise StorageError(
            f"{plan.path}: format {number}, this kilnsense writes {plan.format}; install the one that wrote "
            "it, or choose another folder"
        )
    return True


def _code(error: sqlite3.Error) -> int | None:
    """The primary code of an error; None where it does not come from SQLite itself."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF
