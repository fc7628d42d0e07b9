"""The folder that results go to: free space, how fast it writes, and whether SQLite works there."""

import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from kilnsense.doctor.findings import Finding
from kilnsense.doctor.mounts import is_remote, kind_of, read_mounts
from kilnsense.doctor.ranges import within

SPACE_WARN, SPACE_FAIL, SHARE_WARN = 5_000_000_000, 500_000_000, 0.05
"""Free bytes, and the share of the disk."""

SLOW_SYNC = 0.05
"""Seconds for a flush to the disk; every portion of results waits for one."""

SAFE_SQLITE = ">=3.51.3"
"""Before it, two connections that write could damage a write-ahead log."""

_PREFIX = ".kilnsense-doctor-"
_OTHER = "choose another folder with --out, or mend its permissions"


def existing(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that is there already."""
    folder = folder.absolute()
    return next((place for place in (folder, *folder.parents) if os.path.lexists(place)), folder)


def check_storage(out: Path, *, mountinfo: str | None = None) -> Iterator[Finding]:
    """All that is asked of the folder of results; nothing is left in it.

    Args:
        out: the folder, which may not be there yet.
        mountinfo: see `kilnsense.doctor.mounts.kind_of`; the kernel's own if None.
    """
    place = existing(out)
    if not place.is_dir():
        yield Finding("writing", "fail", f"{place} is no folder", "choose another folder with --out")
        return
    usage = shutil.disk_usage(place)
    yield check_space(usage.total, usage.free, place)
    written = check_writing(place)
    yield written
    if written.state != "fail":
        mounts = read_mounts() if mountinfo is None else mountinfo
        yield check_wal(place, kind=kind_of(place.resolve(), mounts or ""))


def check_space(total: int, free: int, place: Path) -> Finding:
    """Whether the disk has room for results, bytes."""
    share = free / total if total else 0.0
    found = f"{free / 1e9:.1f} GB ({share:.0%}) free at {place}"
    if free >= SPACE_WARN and share >= SHARE_WARN:
        return Finding("disk", "ok", found)
    fix = f"free space until {SPACE_WARN / 1e9:g} GB and {SHARE_WARN:.0%} are free"
    return Finding("disk", "fail" if free < SPACE_FAIL else "warn", found, fix)


def check_writing(
    place: Path,
    *,
    sync: Callable[[int], None] = os.fsync,
    clock: Callable[[], float] = time.perf_counter,
) -> Finding:
    """Whether files can be written in a folder, and how long they take to reach the disk."""
    taken: list[float] = []
    try:
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=place) as folder:
            while len(taken) < 5 and sum(taken) < 1.0:
                with (Path(folder) / f"{len(taken)}").open("wb") as file:
                    file.write(bytes(65_536))
                    file.flush()
                    begun = clock()
                    sync(file.fileno())
                    taken.append(clock() - begun)
    except OSError as error:
        return Finding("writing", "fail", f"{place} cannot be written ({error.strerror})", _OTHER)
    middle = statistics.median(taken)
    found = f"{middle * 1e3:.1f} ms to flush a file to the disk"
    if middle <= SLOW_SYNC:
        return Finding("writing", "ok", found)
    fix = "choose a folder on a faster, local disk with --out"
    return Finding("writing", "warn", f"{found}: slow", fix)


def check_sqlite(version: str = sqlite3.sqlite_version) -> Finding:
    """Whether SQLite is free of the fault that damages a log which two connections write."""
    if within(version, SAFE_SQLITE):
        return Finding("sqlite", "ok", f"{version}, needed: {SAFE_SQLITE}")
    found = f"{version}: before 3.51.3 two writers at once can damage a database; kilnsense has one"
    fix = "let no other program write results.sqlite, or install a Python with a newer SQLite"
    return Finding("sqlite", "warn", found, fix)


def check_wal(
    place: Path, *, kind: str = "", connect: Callable[[Path], sqlite3.Connection] = sqlite3.connect
) -> Finding:
    """Whether SQLite can keep a write-ahead log in a folder, and readers see what was written.

    Args:
        place: a folder that can be written.
        kind: its file-system type, "" where unknown.
        connect: opens a database.
    """
    fix = "choose a folder on a local disk with --out"
    try:
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=place) as folder:
            mode, rows = _write_and_read(Path(folder) / "probe.sqlite", connect)
    except (OSError, sqlite3.Error) as error:
        return Finding("sqlite_wal", "fail", f"SQLite cannot work at {place} ({error})", fix)
    if mode != "wal" or rows != 1:
        found = f"no write-ahead log at {place} (mode {mode}, {rows} of 1 rows read back)"
        return Finding("sqlite_wal", "fail", found, fix)
    if is_remote(kind):
        found = f"works at {place}, but {kind} is a network file system, where a log is not safe"
        return Finding("sqlite_wal", "warn", found, fix)
    return Finding("sqlite_wal", "ok", f"works at {place}")


def _write_and_read(path: Path, connect: Callable[[Path], sqlite3.Connection]) -> tuple[str, int]:
    """(journal mode, rows that a second connection sees) of a new database with one row."""
    with closing(connect(path)) as writer, closing(connect(path)) as reader:
        mode = str(writer.execute("PRAGMA journal_mode=WAL").fetchone()[0])
        with writer:
            writer.execute("CREATE TABLE probe (number INTEGER)")
            writer.execute("INSERT INTO probe VALUES (1)")
        return mode, len(reader.execute("SELECT number FROM probe").fetchall())
