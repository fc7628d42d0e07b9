import csv
import errno
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from kilnsense.config import DataConfig
from kilnsense.data.folders import read_samples
from kilnsense.errors import ConfigError, StorageError
from kilnsense.image.clip import clip_frames
from kilnsense.label.portion import row_of
from kilnsense.recogniser import Recogniser
from kilnsense.record.exports import WAYS, image_folder
from kilnsense.record.store import FILE, Store, create_store, open_store
from kilnsense.types import Record, Verdict
from tests.labelled_run import CLIP, make_run, mixed_root

CLASSES = ("under", "normal", "over")


@pytest.fixture(scope="module")
def root(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = mixed_root(tmp_path_factory.mktemp("exports") / "frames", tiny_root)
    shutil.copy(root / "run000" / "00003.jpg", root / "run005" / "twin.jpg")
    (root / "twin").mkdir()
    shutil.copy(root / "run000" / "00003.jpg", root / "twin" / "00003.jpg")
    return root


@pytest.fixture(scope="module")
def store(root: Path, tiny_bundle: Path, tiny_recogniser: Recogniser) -> Iterator[Store]:
    make_run(root.parent / "run", root, tiny_bundle, tiny_recogniser)
    with open_store(root.parent / "run" / FILE) as opened:
        yield opened


def manifest_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def state_of(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Name to inode, time of change and contents of every file."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): (path.lstat().st_ino, path.lstat().st_mtime_ns, path.read_bytes())
        for path in files
    }


@pytest.mark.parametrize("how", WAYS)
def test_every_input_is_in_the_folder_of_its_class(
    store: Store, root: Path, tmp_path: Path, how: str
) -> None:
    done = image_folder(store, root, tmp_path / "sorted", how)
    rows = {str(row.cells[0]): row for row in store.rows()}
    listed = manifest_of(tmp_path / "sorted")
    assert done.manifest == tmp_path / "sorted" / "manifest.csv"
    assert (done.count, done.left_out) == (len(rows), ())
    assert {line["source"] for line in listed} == rows.keys()
    assert len({line["path"] for line in listed}) == len(rows) == 8 + 8 + 2 + 2 + 1 + 1
    for line in listed:
        row, target = rows[line["source"]], tmp_path / "sorted" / line["path"]
        assert target.parent.name == (row.label or {"review": "_review", "bad": "_bad"}[row.status])
        assert (line["label"], line["status"], line["reason"]) == (row.label or "", row.status, row.reason)
        if "#" not in line["source"]:
            assert target.read_bytes() == (root / line["source"]).read_bytes()
            assert hashlib.sha256(target.read_bytes()).hexdigest() == line["sha256"]
            assert target.is_symlink() == (how == "symlink")
            assert target.samefile(root / line["source"]) == (how != "copy")
    assert Counter(line["status"] for line in listed)["bad"] == 1
    files = {str(path.relative_to(tmp_path / "sorted")) for path in (tmp_path / "sorted").glob("*/*")}
    assert files == {line["path"] for line in listed}


def test_names_hold_the_hash_and_twins_get_their_own(store: Store, root: Path, tmp_path: Path) -> None:
    image_folder(store, root, tmp_path / "sorted", "copy")
    names = {line["source"]: Path(line["path"]).name for line in manifest_of(tmp_path / "sorted")}
    digest = hashlib.sha256((root / "run000" / "00003.jpg").read_bytes()).hexdigest()[:8]
    assert names["run005/twin.jpg"] == f"twin__{digest}.jpg"
    for source in ("run000/00003.jpg", "twin/00003.jpg"):
        own = hashlib.sha256(source.encode()).hexdigest()[:8]
        assert names[source] == f"00003__{digest}-{own}.jpg"
    assert names["notes.txt"].startswith("notes__")
    assert names["notes.txt"].endswith(".txt")


def test_frames_of_a_video_are_pictures_of_their_own(store: Store, root: Path, tmp_path: Path) -> None:
    image_folder(store, root, tmp_path / "sorted", "symlink")
    paths = {
        line["source"]: line["path"] for line in manifest_of(tmp_path / "sorted") if "#" in line["source"]
    }
    assert paths.keys() == {"clip.mp4#000000", "clip.mp4#000025"}
    truth = dict(clip_frames(CLIP, [0, 25], root=CLIP.parent))
    digest = hashlib.sha256(CLIP.read_bytes()).hexdigest()
    for number in (0, 25):
        file = tmp_path / "sorted" / paths[f"clip.mp4#{number:06d}"]
        assert file.name == f"clip_{number:06d}__{digest[:8]}.png"
        bgr = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        np.testing.assert_array_equal(bgr[..., ::-1], truth[number])


@pytest.mark.parametrize("how", WAYS)
def test_a_second_call_changes_nothing(store: Store, root: Path, tmp_path: Path, how: str) -> None:
    first = image_folder(store, root, tmp_path / "sorted", how)
    before = state_of(tmp_path / "sorted")
    assert image_folder(store, root, tmp_path / "sorted", how) == first
    after = state_of(tmp_path / "sorted")
    manifest = before.pop("manifest.csv")[2], after.pop("manifest.csv")[2]
    assert manifest[0] == manifest[1]
    assert after == before
    assert len(before) > 20


@pytest.mark.parametrize("how", WAYS)
def test_another_file_in_the_place_is_kept(store: Store, root: Path, tmp_path: Path, how: str) -> None:
    image_folder(store, root, tmp_path / "sorted", how)
    for source in ("run005/00003.jpg", "clip.mp4#000025"):
        line = next(line for line in manifest_of(tmp_path / "sorted") if line["source"] == source)
        target = tmp_path / "sorted" / line["path"]
        kept = target.read_bytes()
        target.unlink()
        target.write_bytes(b"mine")
        with pytest.raises(StorageError, match="another file is there and is kept"):
            image_folder(store, root, tmp_path / "sorted", how)
        assert target.read_bytes() == b"mine"
        target.unlink()
        if how == "copy":
            target.write_bytes(kept)


def test_another_manifest_is_kept(store: Store, root: Path, tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path,label,group\n", encoding="utf-8")
    with pytest.raises(StorageError, match=r"manifest.csv: another file is there"):
        image_folder(store, root, tmp_path, "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.csv"]


def test_what_is_gone_or_changed_or_leads_out_is_left_out(
    root: Path, tiny_bundle: Path, tiny_recogniser: Recogniser, tmp_path: Path
) -> None:
    own = Path(shutil.copytree(root / "run005", tmp_path / "frames" / "run005")).parent
    shutil.copy(CLIP, own / "clip.mp4")
    (own / "out.jpg").symlink_to(root / "black.png")
    make_run(tmp_path / "run", own, tiny_bundle, tiny_recogniser)
    (own / "run005" / "00001.jpg").unlink()
    (own / "run005" / "00002.jpg").write_bytes((own / "run005" / "00003.jpg").read_bytes())
    (own / "clip.mp4").write_bytes(CLIP.read_bytes()[:2000])
    with open_store(tmp_path / "run" / FILE) as store:
        done = image_folder(store, own, tmp_path / "sorted", "copy")
    gone = {"run005/00001.jpg", "run005/00002.jpg", "clip.mp4#000000", "clip.mp4#000025", "out.jpg"}
    assert set(done.left_out) == gone
    assert done.count == 7
    assert not gone & {line["source"] for line in manifest_of(tmp_path / "sorted")}
    assert not list((tmp_path / "sorted").rglob(".*"))


def test_the_manifest_trains(store: Store, root: Path, tmp_path: Path) -> None:
    image_folder(store, root, tmp_path, "hardlink")
    config = DataConfig(root=str(tmp_path), manifest="manifest.csv", keep={"status": "ok"})
    samples = read_samples(config, CLASSES, every_class=False)
    accepted = {str(row.cells[0]): row.label for row in store.rows(where="status = 'ok'")}
    assert len(samples) == len(accepted) > 5
    assert Counter(sample.label for sample in samples) == Counter(accepted.values())
    assert {sample.group for sample in samples} <= {"run000", "run005", "twin", "clip.mp4", "black.png"}


def test_long_and_odd_names_have_a_place(tmp_path: Path) -> None:
    names = ["ü" * 120 + ".jpg", "raw\udcff.jpg", "=1+1.jpg", "two\nlines.jpg"]
    root, rows = tmp_path / "frames", []
    root.mkdir()
    for number, name in enumerate(names, start=1):
        (root / name).write_bytes(name.encode("utf-8", "surrogateescape"))
        digest = hashlib.sha256((root / name).read_bytes()).hexdigest()
        verdict = Verdict("over", 0.9, "accepted", "over", (0.05, 0.05, 0.9))
        record = Record(name, digest, 8, 6, "ok", "accepted", verdict, "", "m")
        rows.append(row_of(record, CLASSES, number=number))
    with create_store(tmp_path / FILE, {"classes": CLASSES}) as store:
        store.add_inputs(names)
        store.write(0, rows)
        assert image_folder(store, root, tmp_path / "sorted", "copy").count == 4
    kept = {path.read_bytes() for path in (tmp_path / "sorted" / "over").iterdir()}
    assert kept == {name.encode("utf-8", "surrogateescape") for name in names}


def test_what_cannot_be_written_is_told(
    store: Store, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "_bad").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match=r"_bad.*: cannot be written \(File exists\); free space"):
        image_folder(store, root, tmp_path, "copy")

    def apart(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", apart)
    with pytest.raises(StorageError, match="another file system than the pictures"):
        image_folder(store, root, tmp_path / "sorted", "hardlink")
    assert not (tmp_path / "sorted" / "manifest.csv").exists()


def test_a_wrong_call_is_refused(store: Store, root: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'symlink'"):
        image_folder(store, root, tmp_path, "symlinks")
    for name in ("..", "a/b", "_bad"):
        folder = tmp_path / name.replace("/", "-").replace("..", "up")
        with (
            create_store(folder / FILE, {"classes": ["under", name]}) as other,
            pytest.raises(ConfigError, match="cannot be a folder beside _review, _bad"),
        ):
            image_folder(other, root, folder / "sorted", "copy")
