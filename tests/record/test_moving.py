"""Files are moved without a moment in which one could be lost, on one file system and across two."""

import csv
import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kilnsense.errors import StorageError
from kilnsense.recogniser import Recogniser
from kilnsense.record import moving
from kilnsense.record.moving import MARK, holds_moved, move_back, move_files
from kilnsense.record.store import FILE, Store, open_store
from tests.labelled_run import make_run, mixed_root


@pytest.fixture(scope="module")
def labelled(
    tiny_root: Path, tiny_bundle: Path, tiny_recogniser: Recogniser, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with `frames` and the run over it; tests work on copies."""
    folder = tmp_path_factory.mktemp("moving")
    root = mixed_root(folder / "frames", tiny_root)
    picture = (root / "run000" / "00003.jpg").read_bytes()
    Path(os.fsdecode(os.fsencode(root) + b"/run005/\xff.jpg")).write_bytes(picture)
    (root / "empty.jpg").touch()
    (root / "link.jpg").symlink_to(root / "run000" / "00001.jpg")
    make_run(folder / "run", root, tiny_bundle, tiny_recogniser)
    return folder


@pytest.fixture
def root(labelled: Path, tmp_path: Path) -> Path:
    """A copy whose link leads into the copy."""
    root = shutil.copytree(labelled / "frames", tmp_path / "frames", symlinks=True)
    (root / "link.jpg").unlink()
    (root / "link.jpg").symlink_to(root / "run000" / "00001.jpg")
    return root


@pytest.fixture
def store(labelled: Path) -> Iterator[Store]:
    with open_store(labelled / "run" / FILE) as opened:
        yield opened


@pytest.fixture(params=["one", "two"])
def systems(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of two file systems neither links nor renames lead from one to the other."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    if request.param == "two":
        monkeypatch.setattr(Path, "hardlink_to", refuse)
        rename = Path.rename
        monkeypatch.setattr(
            Path, "rename", lambda path, to: refuse() if "sorted" in path.parts else rename(path, to)
        )
    return str(request.param)


def contents(root: Path) -> dict[str, tuple[bytes, int]]:
    """Name to bytes and time of change of every file below a folder that is no link."""
    return {
        path.relative_to(root).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def manifest_of(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return {row["source"]: row for row in csv.DictReader(file)}


def test_everything_but_links_and_videos_is_moved_and_comes_back(
    store: Store, root: Path, tmp_path: Path, systems: str
) -> None:
    before, folder = contents(root), tmp_path / "run" / "sorted"
    placed = move_files(store, root, folder)
    assert placed.left_out == ("link.jpg",)
    assert set(contents(root)) == {"clip.mp4"}
    assert holds_moved(tmp_path / "run")
    rows = manifest_of(folder)
    moved = {name: data for name, data in before.items() if name.isascii() and name != "clip.mp4"}
    assert len(moved) > 15
    for name, (data, changed) in moved.items():
        place = folder / rows[name]["path"]
        assert (place.read_bytes(), place.stat().st_mtime_ns) == (data, changed)
    assert move_back(store, root, folder) == len(before) - 1
    assert contents(root) == before
    assert not holds_moved(tmp_path / "run")


def test_the_manifest_is_there_before_the_first_file_is_taken_away(
    store: Store, root: Path, tmp_path: Path, systems: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut short at any file the move is gone on with, and in between every byte is somewhere."""
    before, folder = contents(root), tmp_path / "sorted"
    taken, take = 0, moving._take_away

    def cut_short(source: Path, target: Path) -> bool:
        nonlocal taken
        rows = manifest_of(folder)
        assert len(rows) >= len(before)
        for name, (data, _) in before.items():
            places = [root / name] + ([folder / rows[name]["path"]] if name in rows else [])
            assert any(place.is_file() and place.read_bytes() == data for place in places)
        taken += 1
        if taken == 5:
            raise KeyboardInterrupt
        return take(source, target)

    monkeypatch.setattr(moving, "_take_away", cut_short)
    with pytest.raises(KeyboardInterrupt):
        move_files(store, root, folder)
    assert 0 < len(before) - len(contents(root)) < 5
    monkeypatch.undo()
    assert move_files(store, root, folder).left_out == ("link.jpg",)
    assert set(contents(root)) == {"clip.mp4"}
    assert set(manifest_of(folder)) >= {name for name in before if name.isascii() and name != "clip.mp4"}


def test_a_file_that_is_another_one_by_now_stays(
    store: Store, root: Path, tmp_path: Path, systems: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "run000/00000.jpg").write_bytes(b"changed before the move")
    folder, settle = tmp_path / "sorted", moving._settle

    def changed_meanwhile(place: Path) -> None:
        settle(place)
        (root / "run000/00002.jpg").unlink()
        (root / "run000/00002.jpg").write_bytes(b"changed during the move")

    monkeypatch.setattr(moving, "_settle", changed_meanwhile)
    placed = move_files(store, root, folder)
    assert placed.left_out == ("link.jpg", "run000/00000.jpg", "run000/00002.jpg")
    assert (root / "run000/00000.jpg").read_bytes() == b"changed before the move"
    assert (root / "run000/00002.jpg").read_bytes() == b"changed during the move"


def test_a_damaged_copy_never_takes_the_file_away(
    store: Store, root: Path, tmp_path: Path, systems: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, settle = tmp_path / "sorted", moving._settle

    def damage(place: Path) -> None:
        settle(place)
        target = folder / manifest_of(folder)["run000/00002.jpg"]["path"]
        target.unlink()
        target.write_bytes(b"damaged")

    monkeypatch.setattr(moving, "_settle", damage)
    digest = hashlib.sha256((root / "run000/00002.jpg").read_bytes()).hexdigest()
    assert "run000/00002.jpg" in move_files(store, root, folder).left_out
    assert hashlib.sha256((root / "run000/00002.jpg").read_bytes()).hexdigest() == digest


def test_a_source_that_cannot_be_changed_is_told_and_nothing_is_lost(
    store: Store, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(root)

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    unlink = Path.unlink
    monkeypatch.setattr(
        Path,
        "unlink",
        lambda path, missing_ok=False: (
            refuse(path) if path.is_relative_to(root) else unlink(path, missing_ok=missing_ok)
        ),
    )
    with pytest.raises(
        StorageError, match=r"cannot be taken away \(Permission denied\); permit it and go on"
    ):
        move_files(store, root, tmp_path / "sorted")
    assert contents(root) == before
    assert (tmp_path / "sorted" / MARK).is_file()
