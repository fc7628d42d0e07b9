"""The walk over a file's structure finds every cut by itself, before any decoder is asked."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from kilnsense.errors import ImageError
from kilnsense.image.container import Header, read_header


def packed(kind: str, **options: object) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (21, 33, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("JPEG", "JPEG", {}),
        ("JPEG", "JPEG", {"progressive": True}),
        ("PNG", "PNG", {}),
        ("BMP", "BMP", {}),
        ("TIFF", "TIFF", {}),
        ("TIFF", "TIFF", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", "TIFF", {"big_tiff": True}),
        ("WebP", "WEBP", {}),
        ("WebP", "WEBP", {"lossless": True}),
        ("WebP", "WEBP", {"exif": Image.Exif()}),
    ],
)
def test_headers_are_read_and_every_cut_is_found(name: str, kind: str, options: dict[str, object]) -> None:
    data = packed(kind, **options)
    header = read_header(data)
    assert (header.format, header.width, header.height) == (name, 33, 21)
    for cut in [*range(0, len(data) - 40, 11), *range(len(data) - 40, len(data))]:
        with pytest.raises(ImageError, match=r"\w"):
            read_header(data[:cut])


def test_bmp_with_unusual_channel_masks_is_refused() -> None:
    """A decoder that takes the usual masks for granted swaps the colours."""
    head = struct.pack("<IiiHHIIiiII", 40, 2, 1, 1, 32, 3, 8, 0, 0, 0, 0)
    usual, swapped = struct.pack("<III", 0xFF0000, 0xFF00, 0xFF), struct.pack("<III", 0xFF, 0xFF00, 0xFF0000)
    start = struct.pack("<2sIHHI", b"BM", 74, 0, 0, 66)
    assert read_header(start + head + usual + bytes(8)) == Header("BMP", 2, 1)
    with pytest.raises(ImageError, match="channel masks") as caught:
        read_header(start + head + swapped + bytes(8))
    assert caught.value.reason == "unsupported"


def test_a_cut_inside_a_thumbnail_does_not_pass_for_the_end() -> None:
    """The end marker of an embedded picture is not that of the file."""
    inner = packed("JPEG")
    body = b"Exif\0\0" + inner
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    data = inner[:2] + segment + inner[2:]
    assert read_header(data).width == 33
    with pytest.raises(ImageError, match="end-of-image") as caught:
        read_header(data[: 2 + len(segment) + 60])
    assert caught.value.reason == "truncated"


def test_endless_tag_directories_end() -> None:
    data = bytearray(packed("TIFF"))
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * count, first)
    assert read_header(bytes(data)).height == 21
