"""Files that are seen whole or not at all."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from kilnsense.errors import StorageError


def publish(path: Path, parts: Iterable[str | bytes]) -> None:
    r"""Writes a file beside its place, flushes it to the disk, and moves it there in one step.

    Whatever happens, also in the middle of `parts`, readers of `path` see the old file or the whole new one.
    Text is written as UTF-8 without newline translation; bytes of a file name that are no text become
    ``\udcXX``, so that the file stays readable everywhere.

    Args:
        path: the file; missing folders are made.
        parts: its contents in order, made while they are written.

    Raises:
        StorageError: the folder cannot be written or the disk is full.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = part.open("xb", buffering=0)
    except OSError as error:
        raise _refused(path, error) from error
    try:
        with file:
            for chunk in _chunks(parts):
                _write(path, file, chunk)
        _settle(path, part)
    finally:
        part.unlink(missing_ok=True)


def settle_folder(folder: Path) -> None:
    """Puts the names in a folder on the disk. Raises OSError."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


CHUNK = 1 << 20
"""Bytes that are gathered before they are written."""


def _chunks(parts: Iterable[str | bytes]) -> Iterable[bytes]:
    gathered = bytearray()
    for part in parts:
        gathered += part.encode("utf-8", "backslashreplace") if isinstance(part, str) else part
        if len(gathered) >= CHUNK:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


def _write(path: Path, file: BinaryIO, data: bytes) -> None:
    try:
        while data:
            data = data[file.write(data) :]
    except OSError as error:
        raise _refused(path, error) from error


def _settle(path: Path, part: Path) -> None:
    try:
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"output {path}: cannot be written ({error.strerror}); free space or choose another folder"
    )
