"""What lies below a source: pictures, videos, and all else, which gets its row too."""

import fnmatch
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kilnsense.data.folders import SYSTEM_FILES
from kilnsense.errors import ConfigError, InputError, SourceError

VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".m4v", ".mpg", ".mpeg", ".ts", ".wmv", ".webm")
"""Endings of files of which frames are sampled."""

PORTION = 32
"""Inputs whose rows are written together; a killed run repeats at most so many."""


@dataclass(frozen=True)
class Source:
    """Where the inputs are.

    Attributes:
        root: folder that paths are relative to.
        only: name of the one file below it that is meant; "" for all.
        exclude: patterns of paths that are passed over, such as ``*/thumbs/*``.
        since: seconds since 1970; files changed before are passed over. 0: none.
    """

    root: Path
    only: str = ""
    exclude: tuple[str, ...] = ()
    since: float = 0.0


def open_source(path: Path, *, exclude: Sequence[str] = (), since: str = "") -> Source:
    """A folder, or one file, as a source.

    Raises:
        SourceError: it is not there.
        ConfigError: `since` is no date.
    """
    if not path.exists():
        raise SourceError(f"source {path}: is not there; give a folder, a picture or a video")
    moment = _moment(since) if since else 0.0
    if path.is_dir():
        return Source(path, "", tuple(exclude), moment)
    return Source(path.parent, path.name, tuple(exclude), moment)


def expect_files(source: Source) -> None:
    """Raises InputError where there is no file to label; SourceError where a folder cannot be listed."""
    if next(list_inputs(source), None) is None:
        raise InputError(
            f"source {source.root}: holds no files, or all are passed over; give a folder of pictures"
        )


def list_inputs(source: Source) -> Iterator[str]:
    """Paths below the root, POSIX separators, in no order.

    No file is passed over for its name or contents but hidden ones, `SYSTEM_FILES`, those that are excluded,
    and what lies behind a link to a folder.

    Raises:
        SourceError: a folder cannot be listed.
    """
    if source.only:
        yield source.only
        return
    folders = [source.root]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or entry.name in SYSTEM_FILES:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(folder / entry.name)
                        continue
                    path = (folder / entry.name).relative_to(source.root).as_posix()
                    if _wanted(path, entry, source):
                        yield path
        except OSError as error:
            raise SourceError(
                f"source {folder}: cannot be listed ({error.strerror}); mend its permissions"
            ) from error


def is_video(path: str) -> bool:
    """Whether frames are sampled from a file of that name."""
    return path.lower().endswith(VIDEOS)


def _wanted(path: str, entry: "os.DirEntry[str]", source: Source) -> bool:
    if any(fnmatch.fnmatchcase(path, pattern) for pattern in source.exclude):
        return False
    if not source.since:
        return True
    try:
        return entry.stat(follow_symlinks=False).st_mtime >= source.since
    except OSError:
        return True  # its row will say what is wrong


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"--since: got {text!r}, allowed: a date such as 2026-03-01, or with a time"
        ) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
