"""Moves the files of a run into the folders of their classes, so that no moment loses one, and back again.

The order: every file is placed (`kilnsense.record.exports`, way ``move``: a hard link, or on another file
system a copy that was checked against the SHA-256 of the labelling); folders and manifest are flushed to the
disk; only then each file is compared with its new place once more and taken away. A move that was cut short
is gone on with by the same call: what was taken away already is found in its place.

Videos stay where they are, with PNG files of their sampled frames in the folders; so do symbolic links.
"""

import errno
import os
from filecmp import cmp
from pathlib import Path

from kilnsense.errors import StorageError
from kilnsense.record.exports import Placed, image_folder, targets
from kilnsense.record.publish import publish, settle_folder
from kilnsense.record.review_log import plain
from kilnsense.record.store import Store

MARK = "MOVED.txt"
"""Stands in a folder that holds the only copies of files."""

_TEXT = (
    "The files in these folders were moved here and are nowhere else. manifest.csv says where each came "
    "from.\nTo move them back: `move_back` of kilnsense.record.moving, as the README shows.\n"
)


def move_files(store: Store, root: Path, folder: Path) -> Placed:
    """Moves every input of a run to where `image_folder` places it.

    Args:
        store: of the run.
        root: what its paths start from.
        folder: for the tree.

    Returns:
        What was done; `left_out` names what stays in the source: links, and files that are gone, unreadable,
        or not what they were when they were labelled.

    Raises:
        StorageError: something cannot be written or taken away, or another file is in its place; what was
            moved is in its new place, all else where it was.
        ConfigError: a class that can be no folder.
    """
    publish(folder / MARK, [_TEXT])
    placed = image_folder(store, root, folder, "move")
    _settle(folder)
    stay = set(placed.left_out)
    for row, target in targets(store):
        path = str(row.cells[0])
        if plain(path) not in stay and not _take_away(root / path, folder / target):
            stay.add(plain(path))
    return Placed(placed.manifest, placed.count, tuple(sorted(stay)))


def move_back(store: Store, root: Path, folder: Path) -> int:
    """Undoes `move_files`; files that are in the source again stay as they are. Gives how many came back.

    Args:
        store, root, folder: as for `move_files`.

    Raises:
        StorageError: one cannot be moved; those before it are back.
    """
    count = 0
    for row, target in targets(store):
        source, place = root / str(row.cells[0]), folder / target
        if place.is_file() and not os.path.lexists(source):
            _bring(place, source)
            count += 1
    (folder / MARK).unlink(missing_ok=True)
    return count


def holds_moved(run: Path) -> bool:
    """Whether files were moved into the folder of a run, so that it must not be deleted."""
    return any(run.glob(f"*/{MARK}"))


def _take_away(source: Path, target: Path) -> bool:
    """Removes a file that is in its new place too; False where it is not the same, or a link."""
    try:
        if not os.path.lexists(source):
            return True  # by an earlier call
        if source.is_symlink() or not target.is_file():
            return False
        if not (source.samefile(target) or cmp(source, target, shallow=False)):
            return False
        source.unlink()
    except OSError as error:
        raise StorageError(
            f"source {source}: cannot be taken away ({error.strerror}); permit it and go on with --resume; "
            f"the file is in both places"
        ) from error
    return True


def _bring(place: Path, source: Path) -> None:
    try:
        source.parent.mkdir(parents=True, exist_ok=True)
        try:
            place.rename(source)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            times = place.stat()
            publish(source, [place.read_bytes()])
            os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
            settle_folder(source.parent)
            place.unlink()
    except OSError as error:
        raise StorageError(f"{place}: cannot be moved back to {source} ({error.strerror})") from error


def _settle(folder: Path) -> None:
    """Puts the names of all new files on the disk."""
    try:
        for one in (folder.parent, folder, *(path for path in folder.iterdir() if path.is_dir())):
            settle_folder(one)
    except OSError as error:
        raise StorageError(f"output {folder}: cannot be flushed to the disk ({error.strerror})") from error
