"""SQLite files as kilnsense keeps them: write-ahead log, one writing connection, read-only readers.

SQLite below 3.51.3 can damage a write-ahead log that two connections write, so whoever owns such a file opens
it for writing once.
"""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from kilnsense.errors import StorageError

FACTS = "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
"""What the whole file is about; values are JSON."""


def create_database(path: Path, tables: str, facts: Mapping[str, Any]) -> None:
    """Makes a file that is there with its tables and facts or not at all.

    Args:
        path: the file; missing folders are made.
        tables: SQL that makes the tables beside `FACTS`.
        facts: name -> value.

    Raises:
        StorageError: the folder cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)  # of a run that was killed here
        with closing(sqlite3.connect(part)) as connection:
            connection.executescript(f"BEGIN;\n{tables}\n{FACTS}")
            connection.executemany(
                "INSERT INTO facts VALUES (?, ?)",
                [(name, json.dumps(value)) for name, value in facts.items()],
            )
            connection.commit()
        part.replace(path)
    except (OSError, sqlite3.Error) as error:
        raise refused(path, error) from error


def connect_writer(
    path: Path, *, synchronous: Literal["NORMAL", "FULL"] = "NORMAL", threads: bool = False
) -> sqlite3.Connection:
    """The writing connection.

    Args:
        path: the file.
        synchronous: NORMAL loses no row when the process is killed, FULL none when the power fails either.
        threads: other threads than this one use it, one at a time.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    connection = sqlite3.connect(path, check_same_thread=not threads)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises sqlite3.Error where there is no such file."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def refused(path: Path, error: Exception) -> StorageError:
    """What a caller is told when a file cannot be written."""
    return StorageError(f"output {path}: cannot be written ({error}); free space or choose another folder")
