"""The files of a monitor's history, and their tables.

``history.sqlite`` holds readings, spans, aggregates and the list of pictures; ``alarms.sqlite`` the journal
of alarms and what they must remember; ``pictures/`` the pictures themselves. They are files of their own, so
that the history is checked within a moment at start, and a picture that is removed gives its space back.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path

FORMAT = 1
HISTORY = "history.sqlite"
JOURNAL = "alarms.sqlite"
PICTURES = "pictures"
LOCK = "lock"
ASIDE = ".corrupt."
"""In the name of what was damaged and is set aside."""

PER_FOLDER = 1000
"""Pictures in one folder."""

HISTORY_TABLES = """
PRAGMA auto_vacuum = INCREMENTAL;
CREATE TABLE cameras (name TEXT PRIMARY KEY, classes TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE readings (
  camera TEXT NOT NULL, at REAL NOT NULL, seq INTEGER NOT NULL, word TEXT NOT NULL, reason TEXT NOT NULL,
  confidence REAL NOT NULL, probabilities TEXT NOT NULL, raw TEXT NOT NULL, unfamiliarity REAL NOT NULL,
  trend TEXT NOT NULL, health TEXT NOT NULL, detail TEXT NOT NULL, frame_age REAL, model_id TEXT NOT NULL,
  PRIMARY KEY (camera, at, seq)
) WITHOUT ROWID;
CREATE TABLE spans (
  number INTEGER PRIMARY KEY, camera TEXT NOT NULL, word TEXT NOT NULL, reason TEXT NOT NULL,
  start REAL NOT NULL, "end" REAL NOT NULL
);
CREATE INDEX spans_by_time ON spans (camera, "end");
CREATE TABLE aggregates (
  camera TEXT NOT NULL, start REAL NOT NULL, sums TEXT NOT NULL, PRIMARY KEY (camera, start)
) WITHOUT ROWID;
CREATE TABLE pictures (
  number INTEGER PRIMARY KEY AUTOINCREMENT, camera TEXT NOT NULL, at REAL NOT NULL, why TEXT NOT NULL,
  word TEXT NOT NULL, bytes INTEGER NOT NULL
);
CREATE INDEX pictures_by_time ON pictures (camera, at);
"""

JOURNAL_TABLES = """
PRAGMA auto_vacuum = INCREMENTAL;
CREATE TABLE events (
  number INTEGER PRIMARY KEY, at REAL NOT NULL, monotonic REAL NOT NULL, action TEXT NOT NULL,
  status TEXT NOT NULL, user TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE INDEX events_by_time ON events (at);
CREATE TABLE memory (number INTEGER PRIMARY KEY CHECK (number = 1), value TEXT NOT NULL);
"""


def picture_file(folder: Path, number: int, *, overlay: bool) -> Path:
    """Where a picture of the history lies.

    Args:
        folder: of the history.
        number: of the picture.
        overlay: the one with regions drawn in.
    """
    kind = ".overlay" if overlay else ""
    return folder / PICTURES / f"{number // PER_FOLDER:06d}" / f"{number:09d}{kind}.jpg"


def set_aside(path: Path, at: float) -> Path:
    """Renames a damaged file or folder, and the logs of a database with it; its new name.

    Args:
        path: what is damaged.
        at: the moment, for the name.

    Raises:
        OSError: it cannot be renamed.
    """
    stamp = f"{datetime.fromtimestamp(at, UTC):%Y%m%dT%H%M%S.%fZ}"
    aside = path.with_name(f"{path.name}{ASIDE}{stamp}")
    path.rename(aside)
    for log in ("-wal", "-shm"):
        beside = path.with_name(path.name + log)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + log))
    return aside


def list_aside(folder: Path) -> list[Path]:
    """What was set aside in a folder, oldest first. Raises OSError."""
    found = (path for path in folder.iterdir() if ASIDE in path.name)
    return sorted(found, key=lambda path: path.name.partition(ASIDE)[2])


def bytes_of(path: Path) -> int:
    """Size of a file, or of all files below a folder. Raises OSError."""
    if path.is_dir():
        return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    return path.stat().st_size


def remove(path: Path) -> None:
    """Removes a file or a folder with all that is in it. Raises OSError."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
