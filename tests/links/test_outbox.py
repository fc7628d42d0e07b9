"""Nothing that waits is lost: not by a kill, a full disk, or a damaged file; the oldest go first."""

import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kilnsense.errors import StorageError
from kilnsense.links.outbox import Outbox


def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """As on a full disk, every write of this process beyond that size fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def bodies(box: Outbox) -> list[str]:
    return [letter.body for letter in box.after(0, 1000)]


def test_events_wait_in_order_until_they_are_removed(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "deep" / "box.sqlite", most_rows=100)
    for number in range(10):
        box.put(f"event {number}")
    assert bodies(box) == [f"event {number}" for number in range(10)]
    third = box.after(0, 3)[-1]
    assert [one.body for one in box.after(third.number, 2)] == ["event 3", "event 4"]
    box.remove(third.number)
    assert "event 2" not in bodies(box)
    assert (box.waiting(), box.trouble()) == (9, "")
    box.close()


def test_what_waits_survives_and_stays_in_order(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "box.sqlite", most_rows=100)
    for number in range(5):
        box.put(f"event {number}")
    box.remove(box.after(0, 1)[0].number)
    box.close()
    again = Outbox(tmp_path / "box.sqlite", most_rows=100)
    again.put("event 5")
    assert bodies(again) == [f"event {number}" for number in range(1, 6)]
    assert [letter.body for letter in again.after(0, 2)] == ["event 1", "event 2"]
    again.close()


def test_a_kill_loses_nothing_that_was_written(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time\nfrom kilnsense.links.outbox import Outbox\n"
        f"box = Outbox(pathlib.Path({str(tmp_path / 'box.sqlite')!r}), most_rows=100000)\n"
        "for number in range(100000):\n"
        "    box.put(str(number))\n"
        "    while box._unwritten: time.sleep(0.0005)\n"
        "    print(number, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(40)]
        process.kill()
        told += [int(line) for line in process.stdout]
    box = Outbox(tmp_path / "box.sqlite", most_rows=100000)
    kept = [int(letter.body) for letter in box.after(0, 100000)]
    assert kept == list(range(len(kept)))
    assert len(kept) > told[-1]
    box.close()


def test_beyond_its_size_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "box.sqlite", most_rows=5)
    for number in range(12):
        box.put(str(number))
    until(lambda: box.waiting() == 5 and box.dropped == 7)
    assert bodies(box) == ["7", "8", "9", "10", "11"]
    box.close()
    smaller = Outbox(tmp_path / "box.sqlite", most_rows=3)
    smaller.put("12")
    until(lambda: smaller.dropped == 3)
    assert bodies(smaller) == ["10", "11", "12"]
    smaller.close()


def test_a_full_disk_holds_no_event_back_and_is_written_once_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "box.sqlite"
    box = Outbox(path, most_rows=1000)
    with no_file_beyond(path.with_name("box.sqlite-wal").stat().st_size):
        for number in range(3):
            box.put(str(number))
        until(lambda: "events cannot be kept" in box.trouble())
        assert bodies(box) == ["0", "1", "2"]
        box.remove(box.after(0, 1)[0].number)
        assert bodies(box) == ["1", "2"]
    until(lambda: box.trouble() == "")
    box.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT body FROM events ORDER BY number").fetchall() == [("1",), ("2",)]
    connection.close()


def test_a_damaged_file_is_put_aside_and_named(tmp_path: Path) -> None:
    path = tmp_path / "box.sqlite"
    path.write_bytes(b"no database at all " * 300)
    box = Outbox(path, most_rows=10)
    box.put("first")
    assert bodies(box) == ["first"]
    aside = [one.name for one in tmp_path.iterdir() if ".corrupt." in one.name]
    assert len(aside) == 1
    assert aside[0] in box.trouble()
    box.close()


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(StorageError, match=r"box\.sqlite: events cannot be kept"):
        Outbox(tmp_path / "file" / "box.sqlite", most_rows=10)
