"""What a picture file says of itself, and whether it is all there, before any pixel is decoded.

The walk over the file's own structure (JPEG markers, PNG chunks, RIFF chunks, BMP header, TIFF directories)
is what tells a whole file from one that was cut short: decoders of several versions draw the missing part
grey, or fill it with the picture before.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import ImageError
from kilnsense.image import tiff

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WebP")
"""The formats that are read, and no others."""

_MAX_SCANS = 64  # a progressive JPEG has about ten; each scan costs a pass over the whole picture
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ANIMATED = "an animation holds many pictures; save the ones that are meant as files of their own"
_BMP_MASKS = {
    (16, 0xF800, 0x7E0, 0x1F),
    (16, 0x7C00, 0x3E0, 0x1F),
    (32, 0xFF0000, 0xFF00, 0xFF),
}
_TIFF_BITS = {1, 8, 16}
_TIFF_INKS = {0: "white is zero", 1: "black is zero", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr"}
_TIFF_CUT = "TIFF: a strip or tile of pixels lies beyond the end of the file"


@dataclass(frozen=True)
class Header:
    """A file's own account.

    Attributes:
        format: one of `FORMATS`.
        width, height: pixels as stored, before the orientation is applied.
        orientation: EXIF orientation 1..8.
        captured_at: UTC ISO-8601 with milliseconds and Z, or "".
        passes: decoding passes over the picture (scans of a progressive JPEG).
        largest_block: pixels of the largest tile a decoder must hold, beside the picture.
    """

    format: str
    width: int
    height: int
    orientation: int = 1
    captured_at: str = ""
    passes: int = 1
    largest_block: int = 0


def read_header(data: bytes) -> Header:
    """Reads size, orientation and time of a JPEG, PNG, BMP, TIFF or WebP file and checks that it is whole.

    Raises:
        ImageError: ``empty``, ``not_an_image``, ``truncated``, ``damaged`` or ``unsupported``.
    """
    if not data:
        raise ImageError("empty", "the file holds no bytes; take the picture again")
    reader = _reader(data)
    try:
        header = reader(data)
    except (struct.error, IndexError) as error:
        raise ImageError("truncated", "the file ends inside its header; copy it again") from error
    if header.width < 1 or header.height < 1:
        raise ImageError(
            "damaged", f"{header.format}: got {header.width} x {header.height} pixels, allowed: 1 x 1 and up"
        )
    return header


def _reader(data: bytes) -> Callable[[bytes], Header]:
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png
    if data.startswith(b"BM"):
        return _bmp
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _tiff
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp
    raise ImageError(
        "not_an_image", f"the first bytes are {bytes(data[:8])!r}, allowed: {', '.join(FORMATS)} files"
    )


def _jpeg(data: bytes) -> Header:
    cut = "JPEG: the file ends before its end-of-image marker; copy it again"
    width = height = scans = 0
    orientation, captured_at, at = 1, "", 2
    codes = _marker_codes(data)
    while True:
        following = int(np.searchsorted(codes, at + 1))  # a code has its 0xFF before it
        if following == len(codes):
            raise ImageError("truncated", cut)
        marker, at = data[codes[following]], int(codes[following]) + 1
        if marker == 0xD9:
            break
        if marker in (0x01, 0xD8):
            continue
        (length,) = struct.unpack_from(">H", data, at)
        if at + length > len(data):
            raise ImageError("truncated", cut)
        if marker in _JPEG_FRAMES and not width:
            precision, height, width = struct.unpack_from(">BHH", data, at + 2)
            if precision != 8 or not height:
                raise ImageError("unsupported", f"JPEG: got {precision} bits a sample, allowed: 8")
        elif marker == 0xE1 and data[at + 2 : at + 8] == b"Exif\0\0":
            orientation, captured_at = tiff.exif(data[at + 8 : at + length])
        scans += marker == 0xDA
        at += length
    if not width or not scans or scans > _MAX_SCANS:
        raise ImageError("damaged", f"JPEG: got {scans} scans of {width} x {height} pixels")
    return Header("JPEG", width, height, orientation, captured_at, passes=scans)


def _marker_codes(data: bytes) -> NDArray[np.intp]:
    """Places of all bytes that may be the code of a JPEG marker: after 0xFF, and no stuffing or restart."""
    raw = np.frombuffer(data, np.uint8)
    places = np.flatnonzero(raw[:-1] == 0xFF) + 1
    code = raw[places]
    meant = (code != 0x00) & (code != 0xFF) & ((code < 0xD0) | (code > 0xD7))
    return np.asarray(places[meant], np.intp)


def _png(data: bytes) -> Header:
    width, height, at, pixels = 0, 0, 8, 0
    orientation, captured_at = 1, ""
    while True:
        if at + 12 > len(data):
            raise ImageError("truncated", "PNG: the file ends before its last chunk; copy it again")
        length, kind = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            raise ImageError("truncated", f"PNG: the chunk {kind!r} runs beyond the end of the file")
        if kind == b"IHDR":
            width, height = struct.unpack_from(">II", data, at + 8)
        elif kind == b"eXIf":
            orientation, captured_at = tiff.exif(data[at + 8 : at + 8 + length])
        elif kind == b"acTL":
            raise ImageError("unsupported", _ANIMATED)
        pixels += kind == b"IDAT"
        if kind == b"IEND":
            break
        at += 12 + length
    if not pixels:
        raise ImageError("damaged", "PNG: holds no picture data")
    return Header("PNG", width, height, orientation, captured_at)


def _bmp(data: bytes) -> Header:
    (offset, size) = struct.unpack_from("<II", data, 10)
    if size == 12:
        width, height, _, depth = struct.unpack_from("<HHHH", data, 18)
        packing, stored = 0, 0
    else:
        width, height, _, depth, packing, stored = struct.unpack_from("<iiHHII", data, 18)
        height = abs(height)
    if packing not in (0, 1, 2, 3, 6):
        raise ImageError("unsupported", f"BMP: got compression {packing}, allowed: 0, 1, 2, 3, 6")
    if packing in (1, 2) and not stored:
        raise ImageError("unsupported", "BMP: run-length data without a length cannot be checked for cuts")
    if packing in (3, 6) and (depth, *struct.unpack_from("<III", data, 54)) not in _BMP_MASKS:
        raise ImageError("unsupported", "BMP: its channel masks are unusual; save it with 24 bits a pixel")
    needed = stored if packing in (1, 2) else (max(width, 0) * depth + 31) // 32 * 4 * height
    if offset + needed > len(data):
        raise ImageError(
            "truncated", f"BMP: got {len(data)} bytes, its header announces {offset + needed}; copy it again"
        )
    return Header("BMP", width, height)


def _webp(data: bytes) -> Header:
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 > len(data):
        raise ImageError("truncated", f"WebP: got {len(data)} bytes, announced {size + 8}; copy it again")
    canvas = picture = (0, 0)
    orientation, captured_at, at, end = 1, "", 12, size + 8
    while at + 8 <= end:
        kind, length = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        body = at + 8
        if body + length > end:
            raise ImageError("truncated", f"WebP: the chunk {kind!r} runs beyond the end of the file")
        if kind == b"VP8X":
            canvas = (1 + _u24(data, body + 4), 1 + _u24(data, body + 7))
        elif kind == b"VP8 " and not picture[0]:
            picture = tuple(side & 0x3FFF for side in struct.unpack_from("<HH", data, body + 6))
        elif kind == b"VP8L" and not picture[0]:
            (bits,) = struct.unpack_from("<I", data, body + 1)
            picture = (1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
        elif kind == b"ANIM":
            raise ImageError("unsupported", _ANIMATED)
        elif kind == b"EXIF":
            block = data[body : body + length]
            orientation, captured_at = tiff.exif(block.removeprefix(b"Exif\0\0"))
        at = body + length + (length & 1)
    if not picture[0]:
        raise ImageError("damaged", "WebP: holds no picture data")
    width, height = canvas if canvas[0] else picture
    return Header("WebP", width, height, orientation, captured_at)


def _u24(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")


def _tiff(data: bytes) -> Header:
    pages = list(tiff.directories(data))
    if not pages:
        raise ImageError("damaged", "TIFF: holds no picture")
    for page in pages:
        for places, counts in (
            (tiff.STRIP_OFFSETS, tiff.STRIP_COUNTS),
            (tiff.TILE_OFFSETS, tiff.TILE_COUNTS),
        ):
            starts, sizes = page.numbers(places), page.numbers(counts)
            if len(starts) != len(sizes):
                raise ImageError("unsupported", "TIFF: pixel data without lengths cannot be checked for cuts")
            if any(start + length > len(data) for start, length in zip(starts, sizes, strict=True)):
                raise ImageError("truncated", _TIFF_CUT)
    tags = pages[0]
    _check_tiff(tags)
    block = tags.number(tiff.TILE_WIDTH, 0) * tags.number(tiff.TILE_HEIGHT, 0)
    orientation, captured_at = tiff.exif(data)
    width, height = tags.number(tiff.WIDTH, 0), tags.number(tiff.HEIGHT, 0)
    return Header("TIFF", width, height, orientation, captured_at, largest_block=block)


def _check_tiff(tags: tiff.Tags) -> None:
    bits = set(tags.numbers(tiff.BITS) or (1,))
    kinds = set(tags.numbers(tiff.SAMPLE_FORMAT)) - {1, 4}
    ink = tags.number(tiff.PHOTOMETRIC, 1)
    if ink == 3:
        bits -= {2, 4}  # a palette may be short
    if kinds or not bits <= _TIFF_BITS or ink not in _TIFF_INKS or tags.number(tiff.SAMPLES, 1) > 5:
        raise ImageError(
            "unsupported",
            f"TIFF: got {sorted(bits)} bits, sample format {sorted(kinds) or [1]}, photometric {ink}, "
            f"allowed: {sorted(_TIFF_BITS)} bits, unsigned, {', '.join(_TIFF_INKS.values())}; convert it",
        )
