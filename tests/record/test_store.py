"""The store: whole after a kill, in order, and refused where it cannot be read or written."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from kilnsense.errors import SourceError, StorageError
from kilnsense.record.store import FILE, Row, create_store, open_store


def row(number: int, label: str | None = "over", reason: str = "accepted", part: int = 0) -> Row:
    status = "ok" if label else "review"
    return Row(number, part, status, reason, label, 0.75, 1 / 3, None, (f"{number}.png", 0.1, None, 7), "")


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    with create_store(tmp_path / FILE, {"classes": ["a", "b"], "root": "/x"}) as store:
        store.add_inputs(["b/2.png", "a.png", "b.png", "b/10.png", "ä.png", "\udcff.png"])
        assert store.count_inputs() == 6
        # Sorted as their bytes are: a full stop before a slash, a letter beyond ASCII after all of it.
        names = ["a.png", "b.png", "b/10.png", "b/2.png", "ä.png", "\udcff.png"]
        assert store.inputs(1, 100) == list(enumerate(names, start=1))
        assert store.inputs(2, 4) == [(2, "b.png"), (3, "b/10.png")]
        store.write(1, [row(3), row(4, None, "unfamiliar")])
        store.write(0, [row(1), row(2, part=25), row(2)])
        assert store.done() == {0, 1}
    with open_store(tmp_path / FILE) as store:
        assert [(one.input, one.part) for one in store.rows()] == [(1, 0), (2, 0), (2, 25), (3, 0), (4, 0)]
        assert next(store.rows()) == row(1)
        assert store.counts() == ({"over": 4}, {"unfamiliar": 1})
        assert store.facts() == {"format": 1, "classes": ["a", "b"], "root": "/x"}
        assert [one.input for one in store.rows("confidence, input DESC", "label IS ?", [None])] == [4]


def test_a_portion_is_there_with_all_its_rows_or_not_at_all(tmp_path: Path) -> None:
    with create_store(tmp_path / FILE, {}) as store:
        store.add_inputs(["a", "b"])
        store.write(0, [row(1)])
        with pytest.raises(StorageError, match="cannot be written"):
            store.write(1, [row(2), row(1)])  # the second is there already
        assert store.done() == {0}
        assert [one.input for one in store.rows()] == [1]


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    create_store(tmp_path / FILE, {}).__exit__()
    with open_store(tmp_path / FILE) as store, pytest.raises(StorageError, match="readonly"):
        store.write(0, [row(1)])


def test_what_cannot_be_opened_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not there; give the folder of a run"):
        open_store(tmp_path / FILE)
    (tmp_path / FILE).write_bytes(b"no database, but long enough to be looked at" * 50)
    with pytest.raises(SourceError, match="cannot be read"):
        open_store(tmp_path / FILE)
    with pytest.raises(StorageError, match="is there already"):
        create_store(tmp_path / FILE, {})
    (tmp_path / FILE).unlink()
    create_store(tmp_path / FILE, {}).__exit__()
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("UPDATE facts SET value = '2' WHERE name = 'format'")
    connection.close()
    with pytest.raises(SourceError, match="format 2, this kilnsense reads 1"):
        open_store(tmp_path / FILE)
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(StorageError, match="cannot be written"):
        create_store(tmp_path / "file" / FILE, {})


def test_a_kill_loses_no_portion_that_was_acknowledged(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from kilnsense.record.store import Row, create_store
store = create_store(Path(sys.argv[1]), {})
store.add_inputs(f"{n:05d}" for n in range(5000))
for portion in range(1000):
    rows = [Row(5 * portion + n, 0, "ok", "accepted", "a", 0.5, 0.5, 0.5, ("x",), "") for n in range(5)]
    store.write(portion, rows)
    print(portion, flush=True)
"""
    for number in range(5):
        path = tmp_path / f"{number}.sqlite"
        with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            told = [int(process.stdout.readline()) for _ in range(40 * (number + 1))]
            os.kill(process.pid, signal.SIGKILL)
            told += [int(line) for line in process.stdout.read().splitlines() if line]
        with open_store(path) as store:
            assert set(told) <= store.done()
            assert len(list(store.rows())) == 5 * len(store.done())
