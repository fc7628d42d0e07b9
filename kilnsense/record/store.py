"""The truth of a labelling run: one SQLite file that is whole after every kill.

`results.sqlite` holds what the run was started with, every input, and one row for each picture (several for
a video). Inputs are done in portions; a portion's rows are written in one transaction, so a killed run
repeats one portion at most. There is one writing connection; readers open the file read-only (SQLite below
3.51.3 can damage a write-ahead log that two connections write).

Paths are stored as bytes, because a file name need not be text.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from kilnsense.errors import SourceError, StorageError
from kilnsense.record.database import connect_reader, connect_writer, create_database, refused

FORMAT = 1
FILE = "results.sqlite"

_TABLES = """
CREATE TABLE inputs (number INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE);
CREATE TABLE rows (
  input INTEGER NOT NULL, part INTEGER NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL, label TEXT,
  confidence REAL, margin REAL, unfamiliarity REAL, cells TEXT NOT NULL, message TEXT NOT NULL,
  PRIMARY KEY (input, part)
) WITHOUT ROWID;
CREATE TABLE portions (number INTEGER PRIMARY KEY);
"""

Cell = str | int | float | None


@dataclass(frozen=True)
class Row:
    """One row of the result table, and what the review needs of it.

    Attributes:
        input: number of the input.
        part: number of the sampled frame of a video; 0 for a picture.
        status, reason, label: as in `kilnsense.types.Record`; label None where no state was named.
        confidence, margin, unfamiliarity: None where nothing was scored.
        cells: of the table, in the order of `kilnsense.record.sinks.columns`.
        message: one sentence for people, "" where all is well.
    """

    input: int
    part: int
    status: str
    reason: str
    label: str | None
    confidence: float | None
    margin: float | None
    unfamiliarity: float | None
    cells: tuple[Cell, ...]
    message: str


class Store:
    """An open store. Use it in a `with` block.

    Args:
        path: the file.
        connection: to it.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def facts(self) -> dict[str, Any]:
        """What the run was started with."""
        return {name: json.loads(value) for name, value in self._rows("SELECT name, value FROM facts")}

    def count_inputs(self) -> int:
        """How many inputs there are."""
        return int(next(self._rows("SELECT count(*) FROM inputs"))[0])

    def done(self) -> set[int]:
        """The numbers of the portions that are done."""
        return {number for (number,) in self._rows("SELECT number FROM portions")}

    def inputs(self, first: int, last: int) -> list[tuple[int, str]]:
        """(number, path below the source) of the inputs first..last-1; undecodable bytes as surrogates."""
        asked = "SELECT number, path FROM inputs WHERE number >= ? AND number < ? ORDER BY number"
        return [(number, os.fsdecode(path)) for number, path in self._rows(asked, (first, last))]

    def add_inputs(self, paths: Iterable[str]) -> None:
        """Stores the inputs of an empty store, numbered in the order of their paths. Raises StorageError."""
        with self._writing() as connection:
            connection.execute("CREATE TEMP TABLE found (path BLOB PRIMARY KEY) WITHOUT ROWID")
            connection.executemany("INSERT INTO found VALUES (?)", ((os.fsencode(path),) for path in paths))
            connection.execute("INSERT INTO inputs (path) SELECT path FROM found ORDER BY path")
            connection.execute("DROP TABLE found")

    def write(self, portion: int, rows: Sequence[Row]) -> None:
        """Stores the rows of a portion and that it is done, both or neither. Raises StorageError."""
        values = [
            (
                *(one.input, one.part, one.status, one.reason, one.label, one.confidence, one.margin),
                *(one.unfamiliarity, json.dumps(one.cells), one.message),
            )
            for one in rows
        ]
        with self._writing() as connection:
            connection.executemany(f"INSERT INTO rows VALUES ({', '.join('?' * 10)})", values)
            connection.execute("INSERT INTO portions VALUES (?)", (portion,))

    def rows(self, order: str = "input, part", where: str = "1", values: Sequence[Any] = ()) -> Iterator[Row]:
        """All rows in an order; `where` and `order` are SQL over the columns, never taken from outside."""
        asked = (
            "SELECT input, part, status, reason, label, confidence, margin, unfamiliarity, cells, message "
            f"FROM rows WHERE {where} ORDER BY {order}"
        )
        for row in self._rows(asked, values):
            number, part, status, reason, label, confidence, margin, unfamiliarity, cells, message = row
            told = tuple(json.loads(cells))
            yield Row(number, part, status, reason, label, confidence, margin, unfamiliarity, told, message)

    def counts(self) -> tuple[dict[str, int], dict[str, int]]:
        """Rows by state, and rows without a state by reason."""
        by = "SELECT {0}, count(*) FROM rows WHERE label IS {1} NULL GROUP BY 1 ORDER BY 1"
        return dict(self._rows(by.format("label", "NOT"))), dict(self._rows(by.format("reason", "")))

    def _rows(self, asked: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        try:
            yield from self._connection.execute(asked, values)
        except sqlite3.Error as error:
            raise SourceError(f"{self.path}: cannot be read ({error}); restore it, or label anew") from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._connection:
                yield self._connection
        except sqlite3.Error as error:
            raise refused(self.path, error) from error


def create_store(path: Path, facts: Mapping[str, Any]) -> Store:
    """A new store, which is there with its tables and facts or not at all.

    Raises:
        StorageError: the folder cannot be written, or holds a store already.
    """
    if path.exists():
        raise StorageError(f"{path}: is there already; go on with --resume, or choose another folder")
    create_database(path, _TABLES, {"format": FORMAT, **facts})
    try:
        return Store(path, connect_writer(path))
    except sqlite3.Error as error:
        raise refused(path, error) from error


def open_store(path: Path, *, write: bool = False) -> Store:
    """A store that is there.

    Raises:
        SourceError: it is not there, damaged, or of a newer format.
    """
    if not path.is_file():
        raise SourceError(f"{path}: is not there; give the folder of a run of `kilnsense label`")
    try:
        connection = connect_writer(path) if write else connect_reader(path)
        store = Store(path, connection)
        number = store.facts().get("format")
    except sqlite3.Error as error:
        raise SourceError(f"{path}: cannot be read ({error}); restore it, or label anew") from error
    if number != FORMAT:
        connection.close()
        raise SourceError(
            f"{path}: format {number}, this kilnsense reads {FORMAT}; install the one that wrote it"
        )
    return store
