from collections.abc import Iterator
from pathlib import Path

import pytest

from kilnsense.errors import StorageError
from kilnsense.record import publish as publish_module
from kilnsense.record.publish import publish


def test_text_and_bytes_are_written_in_order(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "out.txt"
    publish(target, ["ä\n", b"\x00", "b"])
    assert target.read_bytes() == "ä\n\x00b".encode()
    assert [path.name for path in target.parent.iterdir()] == ["out.txt"]


def test_long_contents_are_whole(tmp_path: Path) -> None:
    publish(tmp_path / "out", (f"{number}\n" for number in range(400_000)))
    assert (tmp_path / "out").read_text().split() == [str(number) for number in range(400_000)]


def test_names_that_are_no_text_stay_readable(tmp_path: Path) -> None:
    publish(tmp_path / "out", [b"caf\xe9".decode("utf-8", "surrogateescape")])
    assert (tmp_path / "out").read_text(encoding="utf-8") == "caf\\udce9"


def test_an_error_in_the_middle_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_text("old")

    def parts() -> Iterator[str]:
        yield "half"
        raise KeyError("stopped")

    with pytest.raises(KeyError, match="stopped"):
        publish(target, parts())
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out"
    target.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publish_module.os, "fsync", full)
    with pytest.raises(StorageError, match=r"out: cannot be written \(No space left on device\); free space"):
        publish(target, ["new"])
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_in_place_of_the_folder_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="cannot be written"):
        publish(tmp_path / "file" / "out", ["x"])
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="cannot be written"):
        publish(tmp_path / "folder", ["x"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
