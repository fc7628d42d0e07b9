"""What is removed from a history, and in which order: what is too old, then what is too much.

Where the budget of bytes is exceeded, what was set aside as damaged goes first, then the oldest pictures,
then the oldest rows. Everything goes in small portions, between which others may write.
"""

import sqlite3
from functools import partial
from pathlib import Path

from kilnsense.record.history_files import (
    JOURNAL,
    PER_FOLDER,
    bytes_of,
    list_aside,
    picture_file,
    remove,
)
from kilnsense.record.writer import Writer

PORTION = 500
"""Rows that are removed at once."""

PICTURES_AT_ONCE = 50

STEP_S = 3600.0
"""Rows go by so many seconds of their time, where there are too many."""

FREED_PAGES = 2000
"""Pages that a database gives back at once."""

_ROWS = {
    "readings": ("camera, at, seq", "at"),
    "aggregates": ("camera, start", "start"),
    "spans": ("number", '"end"'),
}
"""Table -> (its key, the column of its time)."""


def remove_older(history: Writer, journal: Writer, *, folder: Path, before: float) -> int:
    """Removes pictures, rows and alarm events that are older; how many. Raises StorageError, OSError."""
    removed = 0
    for aside in list_aside(folder):
        if aside.stat().st_mtime < before:
            remove(aside)
            removed += 1
    while count := history.write(partial(_drop_pictures, folder=folder, before=before)):
        removed += count
    removed += _drop_rows_before(history, before)
    asked = "DELETE FROM events WHERE number IN (SELECT number FROM events WHERE at < ? LIMIT ?)"
    while count := journal.write(lambda rows: rows.execute(asked, (before, PORTION)).rowcount):
        removed += count
    history.shrink(FREED_PAGES)
    return removed


def remove_beyond(history: Writer, *, folder: Path, most: float) -> int:
    """Removes the oldest until `most` bytes are left; how many things. Raises StorageError, OSError."""
    removed = 0
    asides = list_aside(folder)
    while asides and _size(history, folder) > most:
        remove(asides.pop(0))
        removed += 1
    while _size(history, folder) > most and (count := history.write(partial(_drop_pictures, folder=folder))):
        removed += count
    while _size(history, folder) > most:
        oldest = history.write(lambda rows: rows.execute("SELECT min(at) FROM readings").fetchone()[0])
        if oldest is None:
            break
        removed += _drop_rows_before(history, oldest + STEP_S)
        history.shrink(FREED_PAGES)
    return removed


def _size(history: Writer, folder: Path) -> int:
    """Bytes of everything but the logs of the databases, which are of a few megabytes at most."""

    def count(rows: sqlite3.Connection) -> int:
        # The file itself shrinks only later.
        pages, size = (rows.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        return int(pages * size + rows.execute("SELECT total(bytes) FROM pictures").fetchone()[0])

    journal = folder / JOURNAL
    return history.write(count) + sum(
        bytes_of(path) for path in [journal, *list_aside(folder)] if path.exists()
    )


def _drop_pictures(rows: sqlite3.Connection, *, folder: Path, before: float | None = None) -> int:
    """The oldest pictures, files first: a row without a file is found again, a file without a row is not."""
    which = "" if before is None else "WHERE at < ?"
    values = () if before is None else (before,)
    asked = f"SELECT number FROM pictures {which} ORDER BY number LIMIT {PICTURES_AT_ONCE}"
    numbers = [number for (number,) in rows.execute(asked, values)]
    for number in numbers:
        for overlay in (False, True):
            picture_file(folder, number, overlay=overlay).unlink(missing_ok=True)
    rows.executemany("DELETE FROM pictures WHERE number = ?", ((number,) for number in numbers))
    for number in {number // PER_FOLDER for number in numbers}:
        home = picture_file(folder, number * PER_FOLDER, overlay=False).parent
        if home.is_dir() and not any(home.iterdir()):
            home.rmdir()
    return len(numbers)


def _drop_rows_before(history: Writer, before: float) -> int:
    removed = 0
    cameras = history.write(lambda rows: rows.execute("SELECT name FROM cameras").fetchall())
    for (camera,) in cameras:
        for table, (key, time) in _ROWS.items():
            asked = (
                f"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} "
                f"WHERE camera = ? AND {time} < ? ORDER BY {time} LIMIT {PORTION})"
            )
            drop = partial(_drop, asked=asked, values=(camera, before))
            while count := history.write(drop):
                removed += count
    return removed


def _drop(rows: sqlite3.Connection, *, asked: str, values: tuple[str, float]) -> int:
    return rows.execute(asked, values).rowcount
