"""What a history tells, read while the monitor writes it, or afterwards.

Every question opens a read-only connection of its own, so any thread may ask, and a file that was set aside
and begun anew is found.
"""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from kilnsense.errors import SourceError
from kilnsense.record.aggregates import BUCKET_S, sums_of
from kilnsense.record.alarm_journal import row_to_event
from kilnsense.record.database import connect_reader
from kilnsense.record.history_files import HISTORY, JOURNAL, picture_file
from kilnsense.types import Aggregate, AlarmEvent, Span, StoredPicture


@dataclass(frozen=True)
class StoredReading:
    """A reading of the history: one at every change and one every few seconds.

    Attributes:
        at, word, reason, confidence, probabilities, raw, unfamiliarity, trend, frame_age, model_id: as in
            `kilnsense.types.Reading`.
        health, detail: state of the camera and its detail.
    """

    at: float
    word: str
    reason: str
    confidence: float
    probabilities: tuple[float, ...]
    raw: tuple[float, ...]
    unfamiliarity: float
    trend: str
    health: str
    detail: str
    frame_age: float | None
    model_id: str


class History:
    """The history of a folder; a file that is not there holds nothing. Satisfies `kilnsense.live.board.Past`.

    Every method raises SourceError where a file cannot be read.

    Args:
        folder: of the history.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def cameras(self) -> dict[str, tuple[str, ...]]:
        """Name, sorted -> burning states, from cold to hot, as they were last."""
        rows = self._rows(HISTORY, "SELECT name, classes FROM cameras ORDER BY name")
        return {name: tuple(json.loads(classes)) for name, classes in rows}

    def spans(self, camera: str, since: float, until: float) -> list[Span]:
        """The published words in order, cut to the asked time; there is no span where no monitor ran."""
        asked = (
            'SELECT word, reason, start, "end" FROM spans WHERE camera = ? AND "end" > ? AND start < ? '
            'AND "end" > start ORDER BY start, number'
        )
        found = [Span(*row) for row in self._rows(HISTORY, asked, (camera, since, until))]
        # Where the clock of the wall was set back, the later span counts.
        nexts = [*(span.start for span in found[1:]), until]
        cut = [
            replace(span, start=max(span.start, since), end=min(span.end, end, until))
            for span, end in zip(found, nexts, strict=False)  # none was found: one more
        ]
        return [span for span in cut if span.end > span.start]

    def aggregates(self, camera: str, since: float, until: float) -> list[Aggregate]:
        """Every five minutes in which there were readings and that touch the asked time, in order."""
        asked = (
            "SELECT start, sums FROM aggregates WHERE camera = ? AND start > ? AND start < ? ORDER BY start"
        )
        rows = self._rows(HISTORY, asked, (camera, since - BUCKET_S, until))
        return [sums_of(text).aggregate(start) for start, text in rows]

    def readings(self, camera: str, since: float, until: float) -> list[StoredReading]:
        """In order of time."""
        names = [field.name for field in fields(StoredReading)]
        asked = (
            f"SELECT {', '.join(names)} FROM readings "
            "WHERE camera = ? AND at >= ? AND at < ? ORDER BY at, seq"
        )
        rows = (
            dict(zip(names, row, strict=True)) for row in self._rows(HISTORY, asked, (camera, since, until))
        )
        lists = ("probabilities", "raw")
        return [
            StoredReading(**{**row, **{name: tuple(json.loads(row[name])) for name in lists}}) for row in rows
        ]

    def pictures(self, camera: str, since: float, until: float) -> list[StoredPicture]:
        """In order of time."""
        asked = (
            "SELECT number, camera, at, why, word FROM pictures "
            "WHERE camera = ? AND at >= ? AND at < ? ORDER BY at, number"
        )
        return [StoredPicture(*row) for row in self._rows(HISTORY, asked, (camera, since, until))]

    def picture(self, number: int, *, overlay: bool) -> bytes | None:
        """The JPEG file; None where there is none (any more)."""
        if not self._rows(HISTORY, "SELECT 1 FROM pictures WHERE number = ?", (number,)):
            return None
        path = picture_file(self.folder, number, overlay=overlay)
        try:
            return path.read_bytes() or None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unread(path, error) from error

    def alarm_events(self, since: float, until: float) -> list[AlarmEvent]:
        """The journal, in the order in which things happened."""
        asked = (
            "SELECT at, monotonic, action, status, user, reason FROM events "
            "WHERE at >= ? AND at < ? ORDER BY number"
        )
        return [row_to_event(row) for row in self._rows(JOURNAL, asked, (since, until))]

    def alarm_memory(self) -> dict[str, Any]:
        """What the alarms asked to be kept last; empty where nothing was."""
        rows = self._rows(JOURNAL, "SELECT value FROM memory")
        try:
            told = json.loads(rows[0][0]) if rows else {}
        except ValueError as error:
            raise _unread(self.folder / JOURNAL, error) from error
        return told if isinstance(told, dict) else {}

    def _rows(self, file: str, asked: str, values: Sequence[Any] = ()) -> list[Any]:
        path = self.folder / file
        if not path.exists():
            return []
        try:
            with closing(connect_reader(path)) as connection:
                return connection.execute(asked, values).fetchall()
        except sqlite3.Error as error:
            raise _unread(path, error) from error


def _unread(path: Path, error: Exception) -> SourceError:
    return SourceError(
        f"{path}: cannot be read ({error}); start the monitor, which sets aside what is damaged"
    )
