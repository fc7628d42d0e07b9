"""The tag directories of TIFF files and of EXIF blocks, read with every offset checked.

Format: TIFF 6.0 (1992), BigTIFF, Exif 2.32. Only what the decoder needs is read; no pixel is touched.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kilnsense.errors import ImageError

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
STRIP_OFFSETS, ORIENTATION, SAMPLES, STRIP_COUNTS, PLANAR = 273, 274, 277, 279, 284
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS, SAMPLE_FORMAT = 322, 323, 324, 325, 339
EXTRA_SAMPLES = 338
EXIF_DIRECTORY, TAKEN, TAKEN_FRACTION, TAKEN_OFFSET = 34665, 36867, 37521, 36881

_CODES = {1: "B", 2: "s", 3: "H", 4: "I", 6: "b", 7: "s", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}
_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_MAX_DIRECTORIES = 4096


@dataclass(frozen=True)
class Tags:
    """One directory: tag number -> its integers, or its text in one element; and where each value lies."""

    values: dict[int, tuple[int | bytes, ...]]
    places: dict[int, int]

    def number(self, tag: int, default: int) -> int:
        """The first integer of a tag, or the default."""
        for value in self.values.get(tag, ())[:1]:
            if isinstance(value, int):
                return value
        return default

    def numbers(self, tag: int) -> tuple[int, ...]:
        """All integers of a tag; empty where it is missing."""
        return tuple(value for value in self.values.get(tag, ()) if isinstance(value, int))

    def text(self, tag: int) -> str:
        """The text of a tag, or ""."""
        for value in self.values.get(tag, ())[:1]:
            if isinstance(value, bytes):
                return value.split(b"\0")[0].decode("ascii", "replace").strip()
        return ""


@dataclass(frozen=True)
class _Layout:
    """How a file writes its numbers: byte order, and the codes and sizes of counts and offsets."""

    order: str
    first: int
    big: bool

    def unpack(self, data: bytes, code: str, at: int) -> tuple[int | bytes, ...]:
        """Numbers at an offset. Raises ImageError (truncated) where they lie beyond the end."""
        try:
            return struct.unpack_from(self.order + code, data, at)
        except struct.error as error:
            raise ImageError("truncated", f"TIFF: ends before its tag directory at byte {at}") from error


def directories(data: bytes) -> Iterator[Tags]:
    """The chained tag directories of a TIFF file or EXIF block, first to last.

    Raises:
        ImageError: ``damaged`` for a wrong header, ``truncated`` where a part
            lies beyond the end.
    """
    layout = _layout(data)
    at, seen = layout.first, set[int]()
    while at and at not in seen and len(seen) < _MAX_DIRECTORIES:
        seen.add(at)
        tags, at = _directory(data, layout, at)
        yield tags


def first_tags(data: bytes, at: int = 0) -> Tags:
    """The directory at byte `at`, or the first one (0). Raises ImageError as `directories`."""
    layout = _layout(data)
    return _directory(data, layout, at or layout.first)[0]


def exif(data: bytes) -> tuple[int, str]:
    """Orientation 1..8 and the time of capture of an EXIF block (a TIFF header and its directories).

    The time is UTC ISO-8601 with milliseconds and Z; "" where time or time zone are not given, since a
    local time without its zone names no instant. Damaged blocks give (1, ""): they say nothing.
    """
    try:
        tags = first_tags(data)
        orientation = tags.number(ORIENTATION, 1)
        place = tags.number(EXIF_DIRECTORY, 0)
        taken = _instant(first_tags(data, place)) if place else ""
    except ImageError:
        return 1, ""
    return (orientation if 1 <= orientation <= 8 else 1), taken


def neutral_copy(data: bytes) -> bytes:
    """The file with two tags of its first directory rewritten, so that every decoder leaves the pixels alone.

    The orientation becomes 1 (OpenCV turns TIFF files even when told not to), and an alpha channel is
    declared as already multiplied in (libtiff would otherwise blend the colours with black).
    """
    tags, order = first_tags(data), _layout(data).order
    for tag in (ORIENTATION, EXTRA_SAMPLES):
        if tag in tags.places and tags.number(tag, 1) != 1:
            at = tags.places[tag]
            data = data[:at] + struct.pack(order + "H", 1) + data[at + 2 :]
    return data


def _layout(data: bytes) -> _Layout:
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
    if order is None or len(data) < 8:
        raise ImageError("damaged", "TIFF: the byte-order mark is missing")
    (magic,) = struct.unpack_from(order + "H", data, 2)
    if magic == 42:
        return _Layout(order, struct.unpack_from(order + "I", data, 4)[0], big=False)
    if magic == 43 and len(data) >= 16:
        return _Layout(order, struct.unpack_from(order + "Q", data, 8)[0], big=True)
    raise ImageError("damaged", f"TIFF: got version {magic}, allowed: 42 and 43")


def _directory(data: bytes, layout: _Layout, at: int) -> tuple[Tags, int]:
    head, entry, offset = (8, 20, "Q") if layout.big else (2, 12, "I")
    (count,) = layout.unpack(data, "Q" if layout.big else "H", at)
    if not isinstance(count, int) or at + head + count * entry > len(data):
        raise ImageError("truncated", f"TIFF: the tag directory at byte {at} runs beyond the end of the file")
    values: dict[int, tuple[int | bytes, ...]] = {}
    places: dict[int, int] = {}
    for index in range(count):
        here = at + head + index * entry
        tag, kind, length = struct.unpack_from(layout.order + "HH" + offset, data, here)
        inline = entry - struct.calcsize("<" + offset)
        size = _SIZES.get(kind, 1) * length
        (place,) = layout.unpack(data, offset, here + inline)
        where = here + inline if size <= struct.calcsize("<" + offset) else place
        if not isinstance(where, int) or where + size > len(data):
            raise ImageError("truncated", f"TIFF: the value of tag {tag} lies beyond the end of the file")
        if kind in _CODES and length:
            values[tag] = layout.unpack(data, f"{length}{_CODES[kind]}", where)
            places[tag] = where
    end = at + head + count * entry
    (following,) = layout.unpack(data, offset, end)
    return Tags(values, places), following if isinstance(following, int) else 0


def _instant(tags: Tags) -> str:
    zone, fraction = tags.text(TAKEN_OFFSET), tags.text(TAKEN_FRACTION)
    try:
        local = datetime.strptime(tags.text(TAKEN) + zone, "%Y:%m:%d %H:%M:%S%z")
    except ValueError:
        return ""
    millis = int(fraction[:3].ljust(3, "0")) if fraction.isascii() and fraction.isdigit() else 0
    try:
        moment = local.astimezone(UTC) + timedelta(milliseconds=millis)
    except OverflowError:
        return ""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
