"""The folder of results: full, slow, closed, without a log; nothing is left in it."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from kilnsense.doctor.storage import (
    check_space,
    check_sqlite,
    check_storage,
    check_wal,
    check_writing,
    existing,
)


@pytest.mark.parametrize(
    ("total", "free", "state"),
    [
        (100e9, 50e9, "ok"),
        (100e9, 5e9, "ok"),
        (90e9, 4.9e9, "warn"),
        (1000e9, 49e9, "warn"),
        (5e9, 0.51e9, "warn"),
        (100e9, 0.4e9, "fail"),
        (0, 0, "fail"),
    ],
)
def test_a_full_disk_is_found(total: float, free: float, state: str) -> None:
    finding = check_space(int(total), int(free), Path("/x"))
    assert finding.state == state
    assert f"{free / 1e9:.1f} GB" in finding.found


def ticks(step: float) -> Iterator[float]:
    number = 0
    while True:
        yield number * step
        number += 1


@pytest.mark.parametrize(("seconds", "state"), [(0.002, "ok"), (0.05, "ok"), (0.06, "warn"), (2.0, "warn")])
def test_a_slow_disk_is_found(seconds: float, state: str, tmp_path: Path) -> None:
    clock = ticks(seconds)
    flushed: list[int] = []
    finding = check_writing(tmp_path, sync=flushed.append, clock=lambda: next(clock))
    assert finding.state == state
    assert f"{seconds * 1e3:.1f} ms" in finding.found
    assert len(flushed) == (1 if seconds > 1 else 5)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_found(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", Path("/proc")):
        finding = check_writing(place)
        assert finding.state == "fail"
        assert f"{place} cannot be written" in finding.found


def test_a_disk_that_fills_up_is_found(tmp_path: Path) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    finding = check_writing(tmp_path, sync=refuse)
    assert finding.state == "fail"
    assert "No space left on device" in finding.found
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("version", "state"), [("3.51.3", "ok"), ("3.52.0", "ok"), ("3.51.2", "warn"), ("3.40.1", "warn")]
)
def test_an_sqlite_with_the_fault_is_found(version: str, state: str) -> None:
    finding = check_sqlite(version)
    assert finding.state == state
    assert version in finding.found


def test_a_log_works_on_a_local_disk(tmp_path: Path) -> None:
    assert check_wal(tmp_path).state == "ok"
    assert list(tmp_path.iterdir()) == []


def test_a_place_without_a_log_is_found(tmp_path: Path) -> None:
    """A database in memory, which both connections share, keeps none."""
    shared = "file:probe?mode=memory&cache=shared"
    finding = check_wal(tmp_path, connect=lambda _: sqlite3.connect(shared, uri=True))
    assert finding.state == "fail"
    assert "mode memory, 1 of 1 rows" in finding.found


def test_a_log_that_readers_do_not_see_is_found(tmp_path: Path) -> None:
    """Two connections that each have a file of their own, as on a share that does not share."""
    opened: list[Path] = []

    def connect(path: Path) -> sqlite3.Connection:
        opened.append(path.with_suffix(f".{len(opened)}"))
        connection = sqlite3.connect(opened[-1])
        if len(opened) == 2:
            connection.execute("CREATE TABLE probe (number INTEGER)")
        return connection

    finding = check_wal(tmp_path, connect=connect)
    assert finding.state == "fail"
    assert "mode wal, 0 of 1 rows" in finding.found


def test_a_place_where_sqlite_fails_is_found(tmp_path: Path) -> None:
    def connect(path: Path) -> sqlite3.Connection:
        raise sqlite3.OperationalError("disk I/O error")

    finding = check_wal(tmp_path, connect=connect)
    assert finding.state == "fail"
    assert "disk I/O error" in finding.found


def test_a_log_on_a_share_is_warned_of(tmp_path: Path) -> None:
    finding = check_wal(tmp_path, kind="nfs4")
    assert finding.state == "warn"
    assert "nfs4" in finding.found


def states(out: Path, mountinfo: str = "") -> dict[str, str]:
    return {finding.name: finding.state for finding in check_storage(out, mountinfo=mountinfo)}


def test_a_folder_that_is_not_there_yet_is_judged_by_the_one_above_it(tmp_path: Path) -> None:
    assert existing(tmp_path / "a" / "b") == tmp_path
    assert states(tmp_path / "a" / "b").keys() == {"disk", "writing", "sqlite_wal"}
    assert list(tmp_path.iterdir()) == []


def test_a_share_is_found_by_the_list_of_mounts(tmp_path: Path) -> None:
    mounts = f"23 22 0:40 / {tmp_path} rw - nfs4 server:/x rw\n"
    assert states(tmp_path, mounts)["sqlite_wal"] == "warn"


def test_a_file_in_place_of_the_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    assert states(tmp_path / "file") == {"writing": "fail"}
    assert states(tmp_path / "file" / "x") == {"writing": "fail"}
    assert states(tmp_path / "dangling") == {"writing": "fail"}


@pytest.mark.skipif(not os.path.ismount("/proc"), reason="needs a folder that not even root may write")
def test_a_closed_folder_is_one_finding_not_two() -> None:
    assert states(Path("/proc/x"))["writing"] == "fail"
    assert "sqlite_wal" not in states(Path("/proc/x"))
