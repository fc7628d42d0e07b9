import csv
import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kilnsense.config import DataConfig
from kilnsense.data.folders import read_samples
from kilnsense.errors import InputError, SourceError, StorageError
from kilnsense.record import review_log
from kilnsense.record.review_log import (
    COLUMNS,
    Signature,
    group_of,
    open_log,
    plain,
    read_reviewed,
    write_manifest,
)


class Clock:
    """A clock that goes on by a second each time that it is asked."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time


def signature(reviewer: str = "Ada") -> Signature:
    return Signature(reviewer, "0123456789ab", Clock())


def lines_of(run: Path) -> list[list[str]]:
    with (run / "review" / "labels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_a_label_is_on_the_disk_at_once(tmp_path: Path) -> None:
    with open_log(tmp_path, signature()) as log:
        log.say("run1/a.jpg", "under")
        assert lines_of(tmp_path) == [
            list(COLUMNS),
            ["run1/a.jpg", "under", "run1", "2026-03-01T06:00:01.000Z", "Ada", "", "0123456789ab", "no"],
        ]
        assert read_reviewed(tmp_path) == {"run1/a.jpg": "under"}


def test_an_undo_is_a_line_that_gives_back_what_stood_before(tmp_path: Path) -> None:
    with open_log(tmp_path, signature()) as log:
        log.say("a", "under")
        log.say("b", "over")
        log.say("a", "normal")
        before = (tmp_path / "review" / "labels.csv").read_bytes()
        line = log.undo()
        assert line is not None
        assert (line.path, line.label, line.previous, line.undone) == ("a", "under", "normal", "yes")
        assert (tmp_path / "review" / "labels.csv").read_bytes().startswith(before)
        assert dict(log.labels) == read_reviewed(tmp_path) == {"a": "under", "b": "over"}
        assert log.undo().path == "b"  # type: ignore[union-attr]
        assert dict(log.labels) == read_reviewed(tmp_path) == {"a": "under"}
        log.undo()
        assert log.undo() is None
        assert dict(log.labels) == read_reviewed(tmp_path) == {}
        assert len(lines_of(tmp_path)) == 7


def test_a_new_review_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    with open_log(tmp_path, signature()) as log:
        log.say("a", "under")
        log.say("b", "over")
        log.undo()
    with open_log(tmp_path, signature("Bob")) as log:
        assert dict(log.labels) == {"a": "under"}
        line = log.undo()
        assert line is not None
        assert (line.path, line.reviewer) == ("a", "Bob")


@pytest.mark.parametrize("kept", [1, 30, 59, 60, 200])
def test_a_line_that_a_kill_cut_short_is_passed_over(kept: int, tmp_path: Path) -> None:
    file = tmp_path / "review" / "labels.csv"
    with open_log(tmp_path, signature()) as log:
        log.say("a", "under")
        whole = file.read_bytes()
        log.say('new\nline, "quoted".jpg', "over")
        torn = file.read_bytes()[len(whole) :]
    assert len(torn) > 60
    file.write_bytes(whole + torn[: min(kept, len(torn) - 1)])
    assert read_reviewed(tmp_path) == {"a": "under"}
    with open_log(tmp_path, signature()) as log:
        assert file.read_bytes() == whole
        log.say("c", "normal")
    assert read_reviewed(tmp_path) == {"a": "under", "c": "normal"}


def test_odd_names_come_back_as_the_tables_write_them(tmp_path: Path) -> None:
    odd = ["=1+1.jpg", 'a,"b".jpg', "two\nlines.jpg", "ümlaut.jpg", "raw\udcff.jpg"]
    with open_log(tmp_path, signature()) as log:
        for name in odd:
            log.say(name, "over")
        assert all(plain(name) in log.labels for name in odd)
    assert list(read_reviewed(tmp_path)) == [*odd[:4], "raw\\udcff.jpg"]


def test_a_reviewer_of_any_name_leaves_a_file_that_can_be_read(tmp_path: Path) -> None:
    with open_log(tmp_path, signature('raw\udcff, "x"\n')) as log:
        log.say("a", "over")
    assert read_reviewed(tmp_path) == {"a": "over"}
    assert lines_of(tmp_path)[1][4] == 'raw\\udcff, "x"\n'


def test_two_reviews_of_one_run_are_refused(tmp_path: Path) -> None:
    with (
        open_log(tmp_path, signature()),
        pytest.raises(StorageError, match="is open in another process"),
        open_log(tmp_path, signature()),
    ):
        pass
    with open_log(tmp_path, signature()):
        pass


def test_a_full_disk_is_told_and_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_log(tmp_path, signature()) as log:
        log.say("a", "under")
        whole = log.path.read_bytes()

        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patched:
            patched.setattr(review_log.os, "fsync", full)
            with pytest.raises(StorageError, match="No space left on device"):
                log.say("b", "over")
        assert log.path.read_bytes() == whole
        assert dict(log.labels) == {"a": "under"}


def test_another_file_is_not_written_into(tmp_path: Path) -> None:
    file = tmp_path / "review" / "labels.csv"
    file.parent.mkdir()
    file.write_text("path,label\na,under\n", encoding="utf-8")
    with pytest.raises(InputError, match="got columns path, label, allowed: path, label, group"):
        read_reviewed(tmp_path)
    with (
        pytest.raises(InputError, match="got columns path, label"),
        open_log(tmp_path, signature()),
    ):
        pass
    assert file.read_text(encoding="utf-8") == "path,label\na,under\n"
    file.write_bytes(b"\xff\xfe\n")
    with pytest.raises(InputError, match="is no UTF-8 CSV"):
        read_reviewed(tmp_path)


def test_without_a_review_there_is_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="review the run first"):
        read_reviewed(tmp_path)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "review").write_text("", encoding="utf-8")
    with (
        pytest.raises(StorageError, match="cannot be written"),
        open_log(tmp_path, signature()),
    ):
        pass


@pytest.mark.parametrize(
    ("path", "group"),
    [("run1/a.jpg", "run1"), ("kiln/day/a.jpg", "kiln"), ("a.jpg", "a.jpg"), ("clip.mp4#000025", "clip.mp4")],
)
def test_the_group_is_the_first_folder(path: str, group: str) -> None:
    assert group_of(path) == group


def test_a_manifest_is_what_training_reads(tmp_path: Path) -> None:
    root = tmp_path / "frames"
    for name in ("run1/a.jpg", "run2/b.jpg", "c.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    labels = {"run2/b.jpg": "over", "run1/a.jpg": "under", "c.jpg": "over", "clip.mp4#000025": "under"}
    manifest = tmp_path / "run" / "review" / "manifest.csv"
    assert write_manifest(labels, manifest, root=root) == ["clip.mp4#000025"]
    config = DataConfig(root=str(root), manifest=str(manifest))
    samples = read_samples(config, ("under", "over"))
    assert [(one.source, one.label, one.group) for one in samples] == [
        ("c.jpg", "over", "c.jpg"),
        ("run1/a.jpg", "under", "run1"),
        ("run2/b.jpg", "over", "run2"),
    ]
