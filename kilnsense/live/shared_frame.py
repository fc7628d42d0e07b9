"""The newest frame of a camera in memory that several processes share: one writes, and nobody ever waits.

The memory has no file: it is gone with the last process that holds it, however that one ends. Whoever makes
it keeps it open under a name that other processes of the same user can open (Linux).

There are several slots. A frame is written beside the newest one and then becomes the newest, so that a
reader has time for its copy; it sees by the numbers in the slot whether the writer overtook it, and copies
again.
"""

import mmap
import os
import threading
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import InputError, SourceError
from kilnsense.types.checks import expect_array

SLOTS = 4
MOST_PIXELS = 4096 * 2304
"""Of a frame; a larger one is reduced. Only what is used of the memory is ever taken."""

_MAGIC = 0x6B696C6E_66726D31
_TRIES = 50
_SLOT = np.dtype(
    [("begun", "i8"), ("done", "i8"), ("arrived", "f8"), ("at", "f8"), ("height", "i8"), ("width", "i8")]
)
_HEADER = np.dtype(
    [
        ("magic", "i8"),
        ("latest", "i8"),
        ("grabbed", "i8"),
        ("arrived", "f8"),
        ("gap", "f8"),
        ("alive_until", "f8"),
        ("slots", _SLOT, (SLOTS,)),
    ]
)
_PAGE = 4096
_SLOT_BYTES = -(-MOST_PIXELS * 3 // _PAGE) * _PAGE
_BYTES = _PAGE + SLOTS * _SLOT_BYTES


@dataclass(frozen=True, eq=False)
class SharedPicture:
    """One frame out of the shared memory.

    Attributes:
        seq: counts the published frames of this memory, from 1.
        arrived: when it came, seconds of the monotonic clock, which all processes share.
        at: the same moment, seconds since 1970.
        pixels: (H, W, 3) uint8 sRGB, R, G, B; a copy.
    """

    seq: int
    arrived: float
    at: float
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class Pulse:
    """What the writing process says of itself beside the pictures.

    Attributes:
        grabbed: frames that came since `SharedFrame.reset`, published or not.
        arrived: when the last of them came, monotonic; 0: none yet.
        gap: usual seconds between two; 0: unknown yet.
        alive_until: moment, monotonic, after which a silent process has hung; 0: it has not said anything.
    """

    grabbed: int
    arrived: float
    gap: float
    alive_until: float


class SharedFrame:
    """The newest frame of one camera; close it, or use it in a `with` block.

    One process makes it (`SharedFrame()`) and closes it last, one writes, any number read. Nobody locks.
    """

    def __init__(self, name: str = "") -> None:
        """Makes a new memory, or opens the one with that `name`.

        Raises:
            SourceError: there is no such memory (any more), or it is no such memory.
        """
        self._file = -1
        if not name:
            self._file = os.memfd_create("kilnsense-frame")
            os.ftruncate(self._file, _BYTES)
            name = f"/proc/{os.getpid()}/fd/{self._file}"
        self.name = name
        self._fence = threading.Lock()
        try:
            file = os.open(name, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise SourceError(f"shared frame {name}: its owner is gone ({error.strerror})") from error
        try:
            if os.fstat(file).st_size != _BYTES:
                raise SourceError(f"shared frame {name}: it is something else; its owner is gone")
            self._map = mmap.mmap(file, _BYTES)
        finally:
            os.close(file)
        self._header: NDArray[np.void] = np.ndarray((1,), _HEADER, self._map)
        if self._file >= 0:
            self._header["magic"] = _MAGIC
        elif int(self._header["magic"][0]) != _MAGIC:
            self.close()
            raise SourceError(f"shared frame {name}: it is something else; its owner is gone")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives the memory back; it is gone when every process has closed it or ended. Twice is once."""
        self._header = np.zeros(1, _HEADER)  # no view of the memory may be left
        if not self._map.closed:
            self._map.close()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def publish(self, pixels: NDArray[np.uint8], *, arrived: float, at: float) -> int:
        """Makes (H, W, 3) uint8 RGB pixels the newest frame; its number. For the one writer.

        Args:
            pixels: are copied.
            arrived: monotonic seconds.
            at: seconds since 1970.
        """
        expect_array("publish", pixels, (None, None, 3), np.uint8)
        pixels = _fitted(pixels)
        height, width = pixels.shape[:2]
        seq = int(self._header["latest"][0]) + 1
        slot = self._header["slots"][0, seq % SLOTS : seq % SLOTS + 1]
        slot["begun"] = seq
        self._settle()
        self._pixels(seq % SLOTS, height, width)[:] = pixels
        slot["arrived"], slot["at"], slot["height"], slot["width"] = arrived, at, height, width
        self._settle()
        slot["done"] = seq
        self._settle()
        self._header["latest"] = seq
        return seq

    def newest(self, *, after: int = 0) -> SharedPicture | None:
        """A copy of the newest frame; None where there is none with a higher number than `after`."""
        for _ in range(_TRIES):
            seq = int(self._header["latest"][0])
            if seq <= after:
                return None
            self._settle()
            slot = self._header["slots"][0, seq % SLOTS : seq % SLOTS + 1]
            done, height, width = int(slot["done"][0]), int(slot["height"][0]), int(slot["width"][0])
            arrived, at = float(slot["arrived"][0]), float(slot["at"][0])
            if done == seq and 0 < height * width <= MOST_PIXELS:
                pixels = self._pixels(seq % SLOTS, height, width).copy()
                self._settle()
                if int(slot["begun"][0]) == seq:
                    return SharedPicture(seq, arrived, at, pixels)
        return None  # the writer is far too fast; the next call finds one

    def beat(self, *, alive_until: float) -> None:
        """The writer says until when it will be heard of again at the latest, monotonic."""
        self._header["alive_until"] = alive_until

    def count(self, *, arrived: float, gap: float) -> None:
        """The writer has got one more frame, published or not."""
        self._header["arrived"], self._header["gap"] = arrived, gap
        self._settle()
        self._header["grabbed"] += 1

    def pulse(self) -> Pulse:
        """What the writer says of itself."""
        header = self._header
        grabbed = int(header["grabbed"][0])
        self._settle()
        return Pulse(
            grabbed, float(header["arrived"][0]), float(header["gap"][0]), float(header["alive_until"][0])
        )

    def reset(self) -> None:
        """Forgets the pulse, before another process begins to write; the newest frame stays."""
        for name in ("grabbed", "arrived", "gap", "alive_until"):
            self._header[name] = 0

    def _pixels(self, slot: int, height: int, width: int) -> NDArray[np.uint8]:
        return np.ndarray((height, width, 3), np.uint8, self._map, _PAGE + slot * _SLOT_BYTES)

    def _settle(self) -> None:
        """What was written or read before stays before what follows, also on processors that reorder."""
        with self._fence:
            pass


def _fitted(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    if not height or not width:
        raise InputError("publish: got an empty picture")
    if height * width <= MOST_PIXELS:
        return pixels
    scale = (MOST_PIXELS / (height * width)) ** 0.5
    size = (max(1, int(width * scale)), max(1, int(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
