"""What people said in a review: lines that are added at once and never rewritten.

``labels.csv`` has the columns ``path,label,group,time,reviewer,previous,model_id,undone``. A line says what
the label of a picture is from then on; where it takes the last line back, `undone` is ``yes`` and `label` is
what stood before, or empty. So the last line of a path is its label. Every line is on the disk before the
reviewer sees it counted; a last line that a kill cut short was never counted, and is passed over.
"""

import csv
import fcntl
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from kilnsense.csv_line import csv_line
from kilnsense.errors import InputError, SourceError, StorageError
from kilnsense.record.publish import publish, settle_folder
from kilnsense.stamp import stamp

FOLDER = "review"
"""Below the folder of a labelling run."""

FILE = "labels.csv"
LOCK = "lock"
MANIFEST_COLUMNS = ("path", "label", "group")


@dataclass(frozen=True)
class Line:
    """One line: what is said of a picture from then on.

    Attributes:
        path: of the picture, as in the table of the run.
        label: its class; "" for none.
        group: see `group_of`.
        time: UTC ISO-8601 with milliseconds and Z.
        reviewer: who says it.
        previous: the label before; "" for none.
        model_id: the model whose queue it was.
        undone: ``yes`` where it takes back the line before it, else ``no``.
    """

    path: str
    label: str
    group: str
    time: str
    reviewer: str
    previous: str
    model_id: str
    undone: str


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Signature:
    """What every line of one review bears.

    Attributes:
        reviewer: who sits before the screen.
        model_id: whose verdicts are reviewed.
        clock: says the time, in UTC.
    """

    reviewer: str
    model_id: str
    clock: Callable[[], datetime] = _now


COLUMNS = tuple(field.name for field in fields(Line))


class ReviewLog:
    """The open file of a review; one process holds it at a time. Made by `open_log`.

    Args:
        file: open for appending.
        path: of it.
        signature: of the lines that will be added.
        lines: that stand in it.
    """

    def __init__(self, file: BinaryIO, path: Path, signature: Signature, lines: Iterable[Line]) -> None:
        self.path = path
        self._file, self._signature = file, signature
        self._labels: dict[str, str] = {}
        self._said: list[Line] = []
        for line in lines:
            self._follow(line)

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels that hold now, by path."""
        return self._labels

    def say(self, path: str, label: str) -> Line:
        """Adds what a picture is. Raises StorageError where it cannot be kept."""
        previous = self._labels.get(plain(path), "")
        return self._add(plain(path), label, previous, undone=False)

    def undo(self) -> Line | None:
        """Takes back the last label that still holds; None where there is none. Raises StorageError."""
        if not self._said:
            return None
        last = self._said[-1]
        return self._add(last.path, last.previous, last.label, undone=True)

    def _add(self, path: str, label: str, previous: str, *, undone: bool) -> Line:
        by, mark = self._signature, "yes" if undone else "no"
        time = stamp(by.clock())
        line = Line(path, label, group_of(path), time, by.reviewer, previous, by.model_id, mark)
        try:
            _append(self._file, astuple(line))
        except OSError as error:
            raise _refused(self.path, error) from error
        self._follow(line)
        return line

    def _follow(self, line: Line) -> None:
        if line.undone == "no":
            self._said.append(line)
        elif self._said:
            self._said.pop()
        if line.label:
            self._labels[line.path] = line.label
        else:
            self._labels.pop(line.path, None)


@contextmanager
def open_log(run: Path, signature: Signature) -> Iterator[ReviewLog]:
    """The log of a run's review, for this process alone.

    Args:
        run: folder of the labelling run.
        signature: of the lines that will be added.

    Raises:
        StorageError: another process has it, or it cannot be written.
        InputError: the file is there and is no log of a review.
    """
    folder = run / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        lock = (folder / LOCK).open("ab")
    except OSError as error:
        raise _refused(folder, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StorageError(
                f"review of {run}: is open in another process; use its page, or end it first"
            ) from error
        path = folder / FILE
        try:
            file = path.open("a+b", buffering=0)
        except OSError as error:
            raise _refused(path, error) from error
        with file:
            lines = _begin(file, path)
            yield ReviewLog(file, path, signature, lines)


def read_reviewed(folder: Path) -> dict[str, str]:
    """The labels that hold, by path, in the order in which the pictures were first looked at.

    Args:
        folder: of the labelling run.

    Raises:
        SourceError: nothing was reviewed there, or the file cannot be read.
        InputError: the file is no log of a review.
    """
    path = folder / FOLDER / FILE
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(
            f"review {path}: cannot be read ({error.strerror}); review the run first: "
            f"kilnsense review {folder}"
        ) from error
    labels = {line.path: line.label for line in _read(data, path)[0]}
    return {path: label for path, label in labels.items() if label}


def write_manifest(labels: Mapping[str, str], manifest: Path, *, root: Path) -> list[str]:
    """Writes a manifest that `kilnsense train --set data.manifest=...` takes, sorted by path.

    Args:
        labels: by path below `root`.
        manifest: the CSV, columns `MANIFEST_COLUMNS`.
        root: folder of the pictures; it becomes `data.root` of the training.

    Returns:
        The paths that are left out, because no file of that name is there: frames of videos, moved files.

    Raises:
        StorageError: it cannot be written.
    """
    kept = sorted(path for path in labels if (root / path).is_file())
    rows = ((path, labels[path], group_of(path)) for path in kept)
    publish(manifest, (csv_line(row) for row in (MANIFEST_COLUMNS, *rows)))
    return sorted(set(labels) - set(kept))


def group_of(path: str) -> str:
    """The camera run of a picture: its first folder, or its video; a picture without either is alone."""
    first, slash, _ = path.partition("/")
    return first if slash else path.partition("#")[0]


def plain(path: str) -> str:
    """A path as the tables write it: bytes that are no text stand as ``\\udcXX``."""
    return path.encode("utf-8", "backslashreplace").decode()


def _begin(file: BinaryIO, path: Path) -> list[Line]:
    try:
        file.seek(0)
        lines, whole = _read(file.read(), path)
        file.truncate(whole)  # what a kill cut short was never counted
        if whole == 0:
            _append(file, COLUMNS)
            settle_folder(path.parent)
    except OSError as error:
        raise _refused(path, error) from error
    return lines


def _append(file: BinaryIO, cells: Iterable[str]) -> None:
    """One line, on the disk when this returns; where that fails no part of it stays."""
    end, data = file.seek(0, os.SEEK_END), csv_line(cells).encode("utf-8", "backslashreplace")
    try:
        while data:
            data = data[file.write(data) :]
        os.fsync(file.fileno())
    except OSError:
        file.truncate(end)
        raise


def _read(data: bytes, path: Path) -> tuple[list[Line], int]:
    """The whole lines, and how many bytes they and the header take."""
    whole = start = quotes = 0
    while (end := data.find(b"\n", start)) >= 0:  # a line end inside quotes belongs to a path
        quotes += data.count(b'"', start, end)
        start = end + 1
        whole = start if quotes % 2 == 0 else whole
    try:
        rows = list(csv.reader(io.StringIO(data[:whole].decode(), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"review {path}: is no UTF-8 CSV ({error}); restore it, or move it away") from error
    if rows and (tuple(rows[0]) != COLUMNS or any(len(row) != len(COLUMNS) for row in rows)):
        raise InputError(
            f"review {path}: got columns {', '.join(rows[0])}, allowed: {', '.join(COLUMNS)} in every line; "
            f"restore it, or move it away"
        )
    return [Line(*row) for row in rows[1:]], whole


def _refused(path: Path, error: OSError) -> StorageError:
    return StorageError(f"review {path}: cannot be written ({error.strerror}); free space or permit it")
