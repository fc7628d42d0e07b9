"""A folder into which a camera puts pictures: the newest one that appears is the live one."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import ImageError
from kilnsense.image.decode import decode
from kilnsense.live.faults import CameraError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
EVERY = 1.0
"""Seconds between two looks; network shares tell nobody of new files, so they are looked for."""

_Stamp = tuple[int, str, int]  # when it was written (ns), name, size


class FolderFeed:
    """Pictures that appear in a folder, or change, after it was opened. What lay there before is not live.

    A picture counts when it is the newest and has not changed between two looks: then it is written out.
    One that cannot be decoded is passed over, as a lost frame would be.

    Raises:
        CameraError: the folder is not there, or cannot be listed; also later, from `grab`.
    """

    def __init__(self, folder: str, *, pause: Callable[[float], None], every: float = EVERY) -> None:
        self._folder, self._pause, self._every = Path(folder), pause, every
        self._seen = self._waiting = self._newest()
        self._pixels: NDArray[np.uint8] | None = None

    def grab(self) -> None:
        """Waits for a new picture, for as long as it takes."""
        while True:
            begun = time.monotonic()
            found = self._newest()
            if found != self._seen and found == self._waiting and found is not None and found[2] > 0:
                self._seen = found
                if self._decode(found[1]):
                    return
            self._waiting = found
            now = time.monotonic()
            self._pause(now + max(self._every, 10 * (now - begun)))  # no endless listing of a huge folder

    def retrieve(self) -> NDArray[np.uint8] | None:
        """The picture, (H, W, 3) uint8 sRGB, R, G, B."""
        return self._pixels

    def close(self) -> None:
        """Nothing is held."""

    def _decode(self, name: str) -> bool:
        try:
            self._pixels = decode(self._folder / name).pixels
        except ImageError:
            return False
        return True

    def _newest(self) -> _Stamp | None:
        newest: _Stamp | None = None
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    if not entry.name.lower().endswith(SUFFIXES) or entry.name.startswith("."):
                        continue
                    try:
                        stat = entry.stat()
                    except FileNotFoundError:
                        continue  # it was taken away meanwhile
                    stamp = (stat.st_mtime_ns, entry.name, stat.st_size)
                    newest = stamp if newest is None else max(newest, stamp)
        except PermissionError as error:
            raise CameraError("not_allowed") from error
        except OSError as error:
            raise CameraError("no_such_file") from error
        return newest
