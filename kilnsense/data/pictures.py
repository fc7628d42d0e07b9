"""Collections of small grey pictures: IDX files with a test part, and handwritten characters.

The IDX format is that of the MNIST family (LeCun, Cortes, Burges): a magic number, the sizes as big-endian
32-bit numbers, then the bytes. Characters come as Omniglot is published, a folder of pictures for each, or in
NumPy's .npz archives, read member by member without pickle.
"""

import gzip
import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from kilnsense.data.folders import list_images
from kilnsense.errors import ConfigError, ImageError, InputError, SourceError
from kilnsense.image.decode import decode

_IMAGES, _LABELS = 0x803, 0x801  # unsigned bytes with three axes, and with one
_MOST_BYTES = 4 << 30
_READ_ERRORS = (OSError, EOFError, zlib.error, zipfile.BadZipFile, ValueError, MemoryError)


@dataclass(frozen=True, eq=False)
class Pictures:
    """N labelled grey pictures of one size.

    Attributes:
        images: (N, H, W) uint8, 0..255.
        labels: (N,) int64, index into `classes`.
        classes: C class names.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.images.ndim != 3 or self.images.dtype != np.uint8 or not self.images.size:
            raise InputError(
                f"Pictures: got images {self.images.shape} {self.images.dtype}, "
                "allowed: (N, H, W) uint8, N > 0"
            )
        if self.labels.shape != (len(self.images),):
            raise InputError(
                f"Pictures: got {len(self.images)} images and labels {self.labels.shape}, allowed: one each"
            )
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.classes):
            raise InputError(
                f"Pictures: got labels {low}..{high} for {len(self.classes)} classes "
                f"({', '.join(self.classes[:4])}, ...), allowed: 0..{len(self.classes) - 1}; "
                "name every class of the data, in the order of its numbers"
            )

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, rows: NDArray[np.integer[Any]]) -> "Pictures":
        """The pictures of these rows, in that order."""
        return Pictures(self.images[rows], self.labels[rows], self.classes)


def read_idx(root: str, part: Literal["train", "t10k"], classes: tuple[str, ...]) -> Pictures:
    """The training (`train`) or test (`t10k`) part of a folder of IDX files, plain or with gzip.

    Args:
        root: folder of ``<part>-images-idx3-ubyte`` and ``<part>-labels-idx1-ubyte``, each maybe with .gz.
        part: which of the two.
        classes: names of labels 0, 1, 2, ...

    Raises:
        ConfigError: no folder is named.
        SourceError: a file is missing, is no IDX file of that kind, or ends too early or too late.
        InputError: as many labels as images, and a name for each, are not there.
    """
    folder = _folder(root, "the IDX files")
    images = _read_file(_find(folder, f"{part}-images-idx3-ubyte"), _IMAGES)
    labels = _read_file(_find(folder, f"{part}-labels-idx1-ubyte"), _LABELS)
    if len(images) != len(labels):
        raise InputError(
            f"{folder}: part {part!r} has {len(images)} images and {len(labels)} labels, allowed: as many of "
            "each; take both files from the same source"
        )
    return Pictures(images, labels.astype(np.int64), classes)


def read_characters(root: str, part: Literal["background", "evaluation"]) -> Pictures:
    """One part of a collection of characters, as bright ink on black like that of IDX files.

    Read is the archive ``images_<part>.npz`` where there is one, else the folder ``images_<part>``:

    - The folder holds ``<alphabet>/<character>/<picture>``, dark ink on light paper, as Omniglot is published
      (Lake, Salakhutdinov, Tenenbaum, Science 350, 2015). A character is named ``<alphabet>/<character>``.
    - The archive holds `images` (..., H, W), bool with True where the paper is, and `labels` (...), whole
      numbers. A character is named by its number.

    Raises:
        ConfigError: no folder is named.
        SourceError: neither is there, or what is there is damaged or lacks one of the arrays.
        InputError: the arrays are not of these kinds or do not fit; the pictures lie elsewhere than in
            folders of characters in folders of alphabets, or differ in size.
    """
    folder = _folder(root, "images_background and images_evaluation") / f"images_{part}"
    if (archive := folder.with_suffix(".npz")).exists():
        return _characters_of_archive(archive)
    if folder.is_dir():
        return _characters_of_folder(folder)
    raise SourceError(
        f"{root}: holds neither the folder {folder.name} nor {archive.name}; set data.root to the folder "
        "that does, and unpack what is packed"
    )


def _characters_of_archive(path: Path) -> Pictures:
    images, labels = _read_member(path, "images"), _read_member(path, "labels")
    if images.dtype != np.bool_ or images.ndim < 3 or not images.size:
        raise InputError(
            f"{path}: images are {images.shape} {images.dtype}, "
            "allowed: (..., height, width) bool, True = paper"
        )
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:-2]:
        raise InputError(
            f"{path}: labels are {labels.shape} {labels.dtype}, allowed: {images.shape[:-2]} whole numbers, "
            "one for each image"
        )
    names, numbers = np.unique(labels, return_inverse=True)
    ink = np.logical_not(images, out=images).reshape(-1, *images.shape[-2:]).view(np.uint8)
    np.multiply(ink, 255, out=ink)
    return Pictures(ink, numbers.reshape(-1).astype(np.int64), tuple(str(name) for name in names))


def _characters_of_folder(folder: Path) -> Pictures:
    paths = list_images(folder)
    names = []
    for path in paths:
        place = path.relative_to(folder)
        if len(place.parts) != 3:
            raise InputError(
                f"{folder}: holds {place.as_posix()}, allowed: <alphabet>/<character>/<picture>; move the "
                "file there or away"
            )
        names.append(place.parent.as_posix())
    if not paths:
        raise InputError(f"{folder}: holds no pictures, needed: <alphabet>/<character>/<picture>")
    first = _read_ink(paths[0])
    images = np.empty((len(paths), *first.shape), np.uint8)
    for path, image in zip(paths, images, strict=True):
        ink = _read_ink(path)
        if ink.shape != first.shape:
            raise InputError(
                f"{path}: the picture is {ink.shape[1]} x {ink.shape[0]} pixels, others are "
                f"{first.shape[1]} x {first.shape[0]}, allowed: one size; bring them to one"
            )
        image[:] = ink
    classes, labels = np.unique(names, return_inverse=True)
    return Pictures(images, labels.astype(np.int64), tuple(str(name) for name in classes))


def _read_ink(path: Path) -> NDArray[np.uint8]:
    """(H, W) of a picture of dark ink on light paper: how dark it is. Raises SourceError."""
    try:
        frame = decode(path)
    except ImageError as error:
        raise SourceError(
            f"{path}: cannot be read ({error}); fetch the file again, or take it away"
        ) from error
    return np.asarray(255 - cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def resize(pictures: Pictures, size: int) -> Pictures:
    """The pictures at size x size pixels: area averages where that is smaller, so that thin strokes become
    grey instead of vanishing, straight lines between pixels where it is larger. Raises InputError.
    """
    if size < 1:
        raise InputError(f"pictures: got size {size}, allowed: 1 and up")
    height, width = pictures.images.shape[1:]
    if height == width == size:
        return pictures
    way = cv2.INTER_AREA if size <= min(height, width) else cv2.INTER_LINEAR
    images = np.empty((len(pictures), size, size), np.uint8)
    for image, place in zip(pictures.images, images, strict=True):
        cv2.resize(image, (size, size), dst=place, interpolation=way)
    return Pictures(images, pictures.labels, pictures.classes)


def _folder(root: str, holds: str) -> Path:
    if not root:
        raise ConfigError(f"data.root: got no folder; give the one that holds {holds}")
    return Path(root)


def _find(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise SourceError(f"{folder}: holds neither {name} nor {name}.gz; set data.root to the folder that does")


def _read_file(path: Path, magic: int) -> NDArray[np.uint8]:
    """The array of an IDX file. Raises SourceError."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return _read_array(file, magic, path)
    except _READ_ERRORS as error:
        raise SourceError(f"{path}: cannot be read ({error}); fetch the file again") from error


def _read_array(file: io.BufferedIOBase, magic: int, path: Path) -> NDArray[np.uint8]:
    axes = magic & 0xFF
    head = file.read(4 + 4 * axes)
    if len(head) < 4 + 4 * axes:
        raise SourceError(
            f"{path}: ends after {len(head)} of the {4 + 4 * axes} bytes of its head; fetch the file again"
        )
    found, *shape = struct.unpack(f">{1 + axes}I", head)
    if found != magic:
        raise SourceError(
            f"{path}: begins with {found:#010x}, allowed: {magic:#010x} (bytes with "
            f"{axes} {'axis' if axes == 1 else 'axes'}); is it the right file, and unpacked once?"
        )
    size = 1
    for length in shape:
        size *= length
    if not 0 < size <= _MOST_BYTES:
        raise SourceError(f"{path}: announces {shape} = {size} bytes, allowed: 1..{_MOST_BYTES}")
    data = file.read(size + 1)
    if len(data) != size:
        more = "more" if len(data) > size else f"{len(data)}"
        raise SourceError(f"{path}: announces {shape} = {size} bytes and holds {more}; fetch the file again")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _read_member(path: Path, name: str) -> NDArray[Any]:
    """One array of an .npz archive. Raises SourceError."""
    try:
        with zipfile.ZipFile(path) as archive:
            if f"{name}.npy" not in archive.namelist():
                there = ", ".join(member.removesuffix(".npy") for member in archive.namelist())
                raise SourceError(f"{path}: holds no array {name!r}, only: {there or 'none'}")
            if (size := archive.getinfo(f"{name}.npy").file_size) > _MOST_BYTES:
                raise SourceError(f"{path}: array {name!r} has {size} bytes, allowed: up to {_MOST_BYTES}")
            with archive.open(f"{name}.npy") as file:
                array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
                return array
    except _READ_ERRORS as error:
        raise SourceError(f"{path}: cannot be read ({error}); fetch the file again") from error
