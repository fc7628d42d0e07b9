"""A folder of pictures: can it be read, how much is in it, and is it pictures."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from kilnsense.data.folders import SYSTEM_FILES
from kilnsense.doctor.findings import Finding, State
from kilnsense.doctor.mounts import check_file_system, read_mounts
from kilnsense.image.decode import decode_file
from kilnsense.types import Failure, Frame

SECONDS = 1.0
"""For the count of the files, of which there may be millions, and for the first picture."""

TRIED = 50
"""Files that are looked at for a first picture."""


def check_source(source: Path) -> Iterator[Finding]:
    """All that is asked of a folder of pictures, or of one picture."""
    if not source.exists():
        found = f"{source} is not there"
        yield Finding("source", "fail", found, "give a folder of pictures, or connect its disk")
        return
    yield check_file_system(source, read_mounts())
    counted, first = check_files(source)
    yield counted
    if first:
        yield check_first_picture(first, source if source.is_dir() else source.parent)


def check_files(source: Path, *, clock: Callable[[], float] = time.monotonic) -> tuple[Finding, list[Path]]:
    """Whether the folder and all below it can be listed; how many files there are, and the first of them."""
    begun, count, more = clock(), 0, ""
    first: list[Path] = []
    refused: list[OSError] = []
    for path in _walk(source, refused):
        count += 1
        if len(first) < TRIED:
            first.append(path)
        if clock() - begun > SECONDS:
            more = "more than "
            break
    if refused:
        found = f"{refused[0].filename} cannot be listed ({refused[0].strerror})"
        return Finding("source", "fail", found, "let this user read it, with all folders above it"), first
    if not count:
        return Finding("source", "warn", f"{source} holds no files", "give a folder of pictures"), first
    return Finding("source", "ok", f"{more}{count} {_files(count)} in {source}"), first


def check_first_picture(
    paths: Sequence[Path], root: Path, *, clock: Callable[[], float] = time.monotonic
) -> Finding:
    """Whether the first file that is a picture can be decoded; it only warns where a later one can.

    Args:
        paths: at least one file; those that are no pictures, or too large for one, are passed over.
        root: the folder that they lie in.
        clock: seconds; after `SECONDS` no further file is tried.
    """
    begun, tried = clock(), 0
    bad: Failure | None = None
    for path in paths:
        item = decode_file(path, root=root)
        tried += 1
        if isinstance(item, Frame):
            if bad is not None:
                return _refused(bad, "warn", f"; {item.source} can be read")
            return Finding("picture", "ok", f"{item.source}: {item.width} x {item.height} pixels")
        if bad is None and item.reason not in ("not_an_image", "too_large"):
            bad = item
        if clock() - begun > SECONDS:
            break
    if bad is not None:
        return _refused(bad, "fail", "; nor can a later one be read")
    found = f"no picture among the first {tried} {_files(tried)}"
    return Finding(
        "picture", "warn", found, "give a folder of JPEG, PNG, BMP, TIFF or WebP pictures, or of videos"
    )


def _refused(item: Failure, state: State, others: str) -> Finding:
    found = f"{item.source}: {item.reason} ({' '.join(item.message.split())}){others}"
    return Finding("picture", state, found, "copy the file again, or take it out of the folder")


def _files(count: int) -> str:
    return "file" if count == 1 else "files"


def _walk(source: Path, refused: list[OSError]) -> Iterator[Path]:
    """Files as `label` takes them, folder by folder, sorted; what cannot be listed goes to `refused`."""
    if source.is_file():
        yield source
        return
    for folder, below, files in os.walk(source, onerror=refused.append):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and name not in SYSTEM_FILES:
                yield Path(folder) / name
