"""Readers of small grey pictures, on files written here byte by byte."""

import gzip
import struct
import zipfile
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.lib import format as npy

from kilnsense.data.pictures import Pictures, read_characters, read_idx, resize
from kilnsense.errors import ConfigError, InputError, SourceError

NAMES = ("shirt", "shoe", "bag")


def idx(array: np.ndarray, *, magic: int | None = None) -> bytes:
    """The bytes of an IDX file, written from the format's description."""
    kind = 0x800 + array.ndim if magic is None else magic
    return struct.pack(f">{1 + array.ndim}I", kind, *array.shape) + array.astype(np.uint8).tobytes()


def write_idx(root: Path, *, part: str = "train", count: int = 6, zipped: bool = True) -> np.ndarray:
    images = np.random.default_rng(3).integers(0, 256, (count, 5, 7))
    pack, end = (gzip.compress, ".gz") if zipped else (bytes, "")
    (root / f"{part}-images-idx3-ubyte{end}").write_bytes(pack(idx(images)))
    (root / f"{part}-labels-idx1-ubyte{end}").write_bytes(pack(idx(np.arange(count) % 3)))
    return images


def write_npz(path: Path, **arrays: np.ndarray) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            data = BytesIO()
            npy.write_array(data, array, allow_pickle=True)
            archive.writestr(f"{name}.npy", data.getvalue())


@pytest.mark.parametrize("zipped", [True, False])
def test_idx_files_come_back_as_they_were_written(tmp_path: Path, zipped: bool) -> None:
    images = write_idx(tmp_path, part="t10k", zipped=zipped)
    got = read_idx(str(tmp_path), "t10k", NAMES)
    np.testing.assert_array_equal(got.images, images)
    assert got.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert (got.images.dtype, got.labels.dtype, got.classes) == (np.uint8, np.int64, NAMES)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("images-idx3", lambda b: b[:-1], r"announces \[6, 5, 7\] = 210 bytes and holds 209; fetch"),
        ("images-idx3", lambda b: b + b"\0", r"announces \[6, 5, 7\] = 210 bytes and holds more"),
        ("images-idx3", lambda b: b[:9], "ends after 9 of the 16 bytes of its head"),
        ("images-idx3", lambda b: b"\0\0\x08\x01" + b[4:], "begins with 0x00000801, allowed: 0x00000803"),
        ("images-idx3", lambda b: b[:4] + b"\xff" * 12 + b[16:], "announces .* allowed: 1..4294967296"),
        ("labels-idx1", lambda b: b[:0], "ends after 0 of the 8 bytes"),
        ("labels-idx1", lambda b: b[:4] + b"\0\0\0\x05" + b[8:-1], "6 images and 5 labels, allowed: as many"),
        ("labels-idx1", lambda b: b[:-1] + b"\x09", r"got labels 0\.\.9 for 3 classes .* name every class"),
    ],
)
def test_idx_files_that_do_not_fit_are_refused(tmp_path: Path, name: str, change, message: str) -> None:  # type: ignore[no-untyped-def]
    write_idx(tmp_path, zipped=False)
    file = tmp_path / f"train-{name}-ubyte"
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises((SourceError, InputError), match=message):
        read_idx(str(tmp_path), "train", NAMES)


def test_a_cut_or_plain_gzip_file_is_refused(tmp_path: Path) -> None:
    write_idx(tmp_path)
    file = tmp_path / "train-images-idx3-ubyte.gz"
    whole = file.read_bytes()
    for data in (whole[: len(whole) // 2], gzip.decompress(whole)):
        file.write_bytes(data)
        with pytest.raises(
            SourceError, match=r"images-idx3-ubyte.gz: cannot be read .* fetch the file again"
        ):
            read_idx(str(tmp_path), "train", NAMES)


def test_missing_files_and_no_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"holds neither train-images-idx3-ubyte nor .*\.gz; set data.root"):
        read_idx(str(tmp_path), "train", NAMES)
    with pytest.raises(
        SourceError, match=r"neither the folder images_background nor images_background.npz; set data.root"
    ):
        read_characters(str(tmp_path), "background")
    with pytest.raises(ConfigError, match=r"data.root: got no folder; give the one that holds the IDX files"):
        read_idx("", "train", NAMES)


def test_characters_are_bright_ink_and_numbered_anew(tmp_path: Path) -> None:
    paper = np.ones((3, 2, 4, 4), np.bool_)
    paper[:, :, 1, 2] = False
    write_npz(tmp_path / "images_background.npz", images=paper, labels=np.repeat([[7], [3], [40]], 2, 1))
    got = read_characters(str(tmp_path), "background")
    assert got.images.shape == (6, 4, 4)
    assert (got.images[:, 1, 2] == 255).all()
    assert int(got.images.sum()) == 6 * 255
    assert got.labels.tolist() == [1, 1, 0, 0, 2, 2]
    assert got.classes == ("3", "7", "40")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.ones((2, 4, 4), np.bool_)}, "holds no array 'labels', only: images"),
        ({"images": np.ones((2, 4, 4), np.uint8), "labels": np.arange(2)}, r"uint8, allowed: .* bool"),
        ({"images": np.ones((2, 4, 4), np.bool_), "labels": np.arange(3)}, r"labels are \(3,\) int64"),
        ({"images": np.ones((2, 4, 4), np.bool_), "labels": np.ones(2)}, r"float64, allowed: \(2,\) whole"),
        ({"images": np.array([{}]), "labels": np.arange(2)}, "cannot be read .*pickle"),
    ],
)
def test_archives_that_do_not_fit_are_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    write_npz(tmp_path / "images_evaluation.npz", **arrays)
    with pytest.raises((SourceError, InputError), match=message):
        read_characters(str(tmp_path), "evaluation")


def write_png(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_BILEVEL, 1])[1].tobytes())


def test_characters_come_from_folders_of_alphabets_as_they_are_published(tmp_path: Path) -> None:
    """One pixel of ink in each picture: its column tells the character, its row the picture."""
    places = [("Greek", "character02", 1), ("Greek", "character01", 2), ("Early_Aramaic", "character01", 3)]
    for alphabet, character, column in places:
        for row in (2, 0):
            paper = np.full((4, 5), 255, np.uint8)
            paper[row, column] = 0
            write_png(tmp_path / "images_evaluation" / alphabet / character / f"07_{row:02}.png", paper)
    (tmp_path / "images_evaluation" / ".DS_Store").write_bytes(b"\0")
    got = read_characters(str(tmp_path), "evaluation")
    assert got.classes == ("Early_Aramaic/character01", "Greek/character01", "Greek/character02")
    assert got.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert [tuple(np.argwhere(image)[0]) for image in got.images] == [
        (row, column) for column in (3, 2, 1) for row in (0, 2)
    ]
    assert int(got.images.sum()) == 6 * 255
    paper = np.ones((2, 4, 4), np.bool_)
    paper[:, 0, 0] = False
    write_npz(tmp_path / "images_evaluation.npz", images=paper, labels=np.array([4, 6]))
    assert read_characters(str(tmp_path), "evaluation").classes == ("4", "6")


@pytest.mark.parametrize(
    ("name", "pixels", "message"),
    [
        ("Greek/stray.png", np.zeros((4, 5)), "holds Greek/stray.png, allowed: <alphabet>/<character>/"),
        ("a/b/c/0.png", np.zeros((4, 5)), "holds a/b/c/0.png, allowed: <alphabet>/<character>/<picture>"),
        ("Greek/other/0.png", np.zeros((4, 6)), r"0.png: the picture is 6 x 4 pixels, others are 5 x 4"),
        ("Greek/other/0.png", None, r"0.png: cannot be read \(.*\); fetch the file again, or take it away"),
    ],
)
def test_folders_of_characters_that_do_not_fit_are_refused(
    tmp_path: Path, name: str, pixels: np.ndarray | None, message: str
) -> None:
    write_png(tmp_path / "images_background/Greek/character01/0.png", np.full((4, 5), 255, np.uint8))
    path = tmp_path / "images_background" / name
    if pixels is None:
        path.parent.mkdir()
        path.write_text("of no picture", encoding="utf-8")
    else:
        write_png(path, pixels.astype(np.uint8))
    with pytest.raises((SourceError, InputError), match=message):
        read_characters(str(tmp_path), "background")


def test_an_empty_folder_of_characters_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images_background" / "Greek").mkdir(parents=True)
    with pytest.raises(InputError, match="images_background: holds no pictures, needed: <alphabet>/"):
        read_characters(str(tmp_path), "background")


def test_a_cut_archive_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "images_evaluation.npz"
    write_npz(file, images=np.ones((2, 4, 4), np.bool_), labels=np.arange(2))
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(SourceError, match=r"cannot be read .* fetch the file again"):
        read_characters(str(tmp_path), "evaluation")


def test_smaller_pictures_hold_area_averages() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 12, 12)).astype(np.uint8)
    images[1] = 0
    images[1, :, 5] = 255  # a stroke one pixel wide
    small = resize(Pictures(images, np.arange(2), ("a", "b")), 4)
    means = images.reshape(2, 4, 3, 4, 3).mean((2, 4))
    np.testing.assert_allclose(small.images, means, atol=0.51)
    assert (small.images[1, :, 1] == 85).all()
    assert small.labels.tolist() == [0, 1]


def test_pictures_of_the_right_size_are_kept_and_others_grow() -> None:
    pictures = Pictures(np.arange(16, dtype=np.uint8).reshape(1, 4, 4), np.zeros(1, np.int64), ("a",))
    assert resize(pictures, 4) is pictures
    assert resize(pictures, 8).images.shape == (1, 8, 8)
    with pytest.raises(InputError, match="got size 0, allowed: 1 and up"):
        resize(pictures, 0)


def test_pictures_that_do_not_fit_are_refused() -> None:
    images, labels = np.zeros((2, 4, 4), np.uint8), np.zeros(2, np.int64)
    for wrong in (images[0], images.astype(np.float32), images[:0]):
        with pytest.raises(InputError, match=r"allowed: \(N, H, W\) uint8"):
            Pictures(wrong, labels, ("a",))
    with pytest.raises(InputError, match=r"2 images and labels \(1,\)"):
        Pictures(images, labels[:1], ("a",))
    assert len(Pictures(images, labels, ("a",)).subset(np.array([1]))) == 1
