"""The pictures of a run as a tree of folders, one for each class, with a manifest that maps back."""

import errno
import hashlib
import os
from array import array
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from filecmp import cmp
from itertools import groupby
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray

from kilnsense.csv_line import csv_line
from kilnsense.errors import ConfigError, ImageError, StorageError
from kilnsense.image.clip import clip_frames, split_name
from kilnsense.image.decode import check_inside
from kilnsense.parts import pick
from kilnsense.record.publish import publish
from kilnsense.record.review_log import group_of, plain
from kilnsense.record.store import Row, Store

MANIFEST = "manifest.csv"
COLUMNS = ("path", "label", "group", "source", "sha256", "status", "reason")
"""Of the manifest: path below the new folder, label or nothing, and where it came from."""

UNNAMED = {"review": "_review", "bad": "_bad"}
"""Folders of what has no state, by status."""

LONGEST_STEM = 180
"""Bytes that a name keeps of the old one; file systems allow 255 in all."""


@dataclass(frozen=True)
class Placed:
    """What was done.

    Attributes:
        manifest: the file.
        count: pictures that are in their places, those of an earlier call included.
        left_out: paths of inputs that could not be placed: gone, changed since, or unreadable.
    """

    manifest: Path
    count: int
    left_out: tuple[str, ...]


def image_folder(store: Store, root: Path, folder: Path, how: str) -> Placed:
    """Puts every input of a run into the folder of its class, ``_review``, or ``_bad``.

    A file is called ``<stem>__<first 8 digits of its SHA-256>.<ext>``; where two would share a name in one
    folder, 8 digits of the SHA-256 of their paths are added to both. A frame of a video is written as PNG,
    whatever `how` says. A second call changes nothing, and a file that is there and is another is an error.

    Args:
        store: of the run.
        root: what its paths start from.
        folder: for the tree.
        how: a name of `WAYS`.

    Raises:
        ConfigError: an unknown way, or a class that can be no folder.
        StorageError: something cannot be written, or another file is in its place.
    """
    place = pick(WAYS, how, kind="way to place pictures")
    _expect_folders(store.facts()["classes"])
    _expect_own_manifest(folder / MANIFEST)
    crowded = _crowded(store.rows())
    placed, left_out = Counter[str](), list[str]()

    def lines() -> Iterator[str]:
        yield csv_line(COLUMNS)
        for row, pixels in _with_frames(store.rows(), root):
            source, sha256 = str(row.cells[0]), str(row.cells[1] or "")
            target = _name(row, crowded)
            if _is_frame(row):
                done = pixels is not None and _write_frame(pixels, folder / target)
            else:
                done = _attempt(place, Path(source), root, folder / target, sha256)
            if not done:
                left_out.append(plain(source))
                continue
            placed[row.status] += 1
            told = (row.label or "", group_of(source), source, sha256, row.status, row.reason)
            yield csv_line((target, *told))

    publish(folder / MANIFEST, lines())
    return Placed(folder / MANIFEST, placed.total(), tuple(left_out))


def targets(store: Store) -> Iterator[tuple[Row, str]]:
    """Each row of a run that is a file of its own, with its place below the folder of `image_folder`."""
    crowded = _crowded(store.rows())
    for row in store.rows():
        if not _is_frame(row):
            yield row, _name(row, crowded)


Way = Callable[[Path, Path, str], bool]
"""Puts a source at a target, given the SHA-256 that the source had; False where it has another."""


def _copy(source: Path, target: Path, sha256: str) -> bool:
    if target.exists():
        return _expect_same(cmp(source, target, shallow=False), target)
    publish(target, _checked(source, sha256))
    return True


def _symlink(source: Path, target: Path, _: str) -> bool:
    if os.path.lexists(target):
        same = target.is_symlink() and target.readlink() == source.absolute()
        return _expect_same(same, target)
    target.symlink_to(source.absolute())
    return True


def _hardlink(source: Path, target: Path, _: str) -> bool:
    if os.path.lexists(target):
        return _expect_same(target.exists() and target.samefile(source), target)
    target.hardlink_to(source)
    return True


UNLINKABLE = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP)
"""What file systems say that cannot link two places: another one, a foreign owner, too many, none at all."""


def _arrive(source: Path, target: Path, sha256: str) -> bool:
    """The first half of a move: a hard link, or where there can be none a copy with the time of change."""
    if os.path.lexists(target):
        same = target.is_file() and (target.samefile(source) or cmp(source, target, shallow=False))
        return _expect_same(same, target)
    if sha256 and _digest(source) != sha256:
        raise _ChangedError
    try:
        if source.is_symlink():
            raise OSError(errno.EOPNOTSUPP, "a link to a link would lead to the file behind it")
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in UNLINKABLE:
            raise
        publish(target, _checked(source, sha256))
        times = source.stat()
        os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))
    return True


WAYS: dict[str, Way] = {
    "copy": _copy,
    "symlink": _symlink,
    "hardlink": _hardlink,
    "move": _arrive,
}
"""Name to how pictures are placed. Of a move the second half is `kilnsense.record.moving`."""


class _ChangedError(Exception):
    """The file is not the one that was labelled."""


def _attempt(place: Way, path: Path, root: Path, target: Path, sha256: str) -> bool:
    """Places a file; False where it leads out of the root, cannot be read, or is another one by now."""
    source = root / path
    try:
        check_inside(source, root)
        if not os.path.lexists(source) and place is _arrive:
            return target.is_file() and (not sha256 or _digest(target) == sha256)  # it was moved before
        if not source.is_file():
            return False
        with source.open("rb"):
            pass
    except (OSError, ImageError):
        return False
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return place(source, target, sha256)
    except _ChangedError:
        return False
    except OSError as error:
        hint = "free space or choose another folder"
        if error.errno == errno.EXDEV:
            hint = "it is on another file system than the pictures: copy them, or use symlinks"
        raise StorageError(f"output {target}: cannot be written ({error.strerror}); {hint}") from error


def _checked(source: Path, sha256: str) -> Iterator[bytes]:
    """The bytes of a file, and an error at their end where they are not what was labelled."""
    digest = hashlib.sha256()
    with source.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
            yield part
    if sha256 and digest.hexdigest() != sha256:
        raise _ChangedError


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_frame(pixels: NDArray[np.uint8], target: Path) -> bool:
    _, png = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    data = png.tobytes()
    if target.exists():
        return _expect_same(target.read_bytes() == data, target)
    publish(target, [data])
    return True


def _expect_same(same: bool, target: Path) -> bool:
    if not same:
        raise StorageError(f"output {target}: another file is there and is kept; choose another folder")
    return True


def _expect_folders(classes: Iterable[str]) -> None:
    """Refuses classes whose names lead elsewhere, or are those of the other folders."""
    for name in classes:
        if "/" in name or name in (".", "..", *UNNAMED.values()):
            raise ConfigError(f"class {name!r}: cannot be a folder beside {', '.join(UNNAMED.values())}")


def _expect_own_manifest(path: Path) -> None:
    """Refuses to replace a table that is none of ours."""
    try:
        with path.open("rb") as file:
            first = file.readline(200)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"output {path}: cannot be read ({error.strerror})") from error
    _expect_same(first.decode(errors="replace").strip() == ",".join(COLUMNS), path)


def _with_frames(rows: Iterable[Row], root: Path) -> Iterator[tuple[Row, NDArray[np.uint8] | None]]:
    """Each row, with the pixels where it is a frame of a video that can be read."""
    for _, group in groupby(rows, key=lambda row: row.input):
        parts = list(group)
        if not _is_frame(parts[0]):
            yield from ((row, None) for row in parts)
            continue
        video = root / split_name(str(parts[0].cells[0]))[0]
        waiting = iter(parts)
        # Frames come one by one; rows that are left when the video ends have none.
        with closing(_readable(video, parts, root)) as frames:
            for pixels in frames:
                yield next(waiting), pixels
        yield from ((row, None) for row in waiting)


def _readable(video: Path, parts: Sequence[Row], root: Path) -> Generator[NDArray[np.uint8], None, None]:
    try:
        for _, pixels in clip_frames(video, [row.part for row in parts], root=root):
            yield pixels
    except ImageError:
        return


def _is_frame(row: Row) -> bool:
    return row.status != "bad" and split_name(str(row.cells[0]))[1] is not None


def _name(row: Row, crowded: frozenset[int]) -> str:
    """The place of a row below the new folder."""
    name = _short_name(row)
    if _key(name) not in crowded:
        return name
    path = PurePosixPath(name)
    own = hashlib.sha256(os.fsencode(str(row.cells[0]))).hexdigest()[:8]
    return str(path.with_name(f"{path.stem}-{own}{path.suffix}"))


def _short_name(row: Row) -> str:
    source = str(row.cells[0])
    file, number = split_name(source) if _is_frame(row) else (source, None)
    path = PurePosixPath(file)
    stem = os.fsdecode(os.fsencode(path.stem)[:LONGEST_STEM])
    digits = str(row.cells[1] or "")[:8] or hashlib.sha256(os.fsencode(source)).hexdigest()[:8]
    mark, suffix = ("", path.suffix) if number is None else (f"_{number:06d}", ".png")
    return f"{row.label or UNNAMED[row.status]}/{stem}{mark}__{digits}{suffix}"


def _crowded(rows: Iterable[Row]) -> frozenset[int]:
    """Keys of the names that several rows would share; eight bytes are held for each row."""
    keys = np.frombuffer(array("Q", (_key(_short_name(row)) for row in rows)), np.uint64)
    found, counts = np.unique(keys, return_counts=True)
    return frozenset(int(key) for key in found[counts > 1])


def _key(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(os.fsencode(name), digest_size=8).digest())
