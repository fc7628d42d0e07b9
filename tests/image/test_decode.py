"""One decoder for everything, held against Pillow, and what it must refuse."""

import hashlib
import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from kilnsense.errors import FAILURE_REASONS, ImageError
from kilnsense.image.decode import decode, decode_file
from kilnsense.types import Failure, Frame

Pixels = NDArray[np.uint8]


def picture(width: int = 64, height: int = 48) -> Image.Image:
    """A smooth, colourful picture without any symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    red, green, blue = 255 * x / (width - 1), 255 * y / (height - 1), 128 + 100 * np.sin(x / 9 + y / 5)
    return Image.fromarray(np.stack([red, green, blue], axis=2).astype(np.uint8))


def packed(image: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of a file that Pillow writes."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def oriented(code: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = code
    return exif


def gap(frame: Frame, expected: Image.Image | Pixels) -> float:
    """Mean absolute difference; the shapes must agree."""
    truth = np.asarray(expected).astype(int)
    assert frame.pixels.shape == truth.shape
    return float(np.abs(frame.pixels.astype(int) - truth).mean())


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_lossless_files_give_their_exact_pixels(kind: str, options: dict[str, object]) -> None:
    assert gap(decode(packed(picture(), kind, **options)), picture()) == 0


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_files_agree_with_pillow(kind: str) -> None:
    data = packed(picture(), kind, quality=90)
    assert gap(decode(data), Image.open(io.BytesIO(data)).convert("RGB")) < 1.5


@pytest.mark.parametrize("mode", ["L", "P", "LA", "RGBA", "1", "CMYK"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "BMP"])
def test_every_colour_mode_becomes_rgb(mode: str, kind: str) -> None:
    image = picture().convert(mode)
    try:
        data = packed(image, kind)
    except OSError:
        pytest.skip(f"{kind} holds no {mode}")
    opened = Image.open(io.BytesIO(data))
    colours = opened.convert("RGBA") if opened.mode in ("LA", "RGBA") else opened.convert("RGB")
    assert gap(decode(data), np.asarray(colours)[..., :3]) < 2.0


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_alpha_is_dropped_and_not_blended(kind: str) -> None:
    image = picture()
    image.putalpha(100)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    assert gap(decode(packed(image, kind, **options)), picture()) == 0


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_and_not_clipped(kind: str) -> None:
    deep = (np.arange(48 * 64, dtype=np.uint32).reshape(48, 64) * 21).astype(np.uint16)
    frame = decode(packed(Image.fromarray(deep), kind))
    np.testing.assert_array_equal(frame.pixels[..., 1], deep >> 8)


@pytest.mark.parametrize("code", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("width", [0, 24])
def test_exif_orientation_is_applied_once(kind: str, code: int, width: int) -> None:
    data = packed(picture(), kind, exif=oriented(code), **({"quality": 95} if kind != "PNG" else {}))
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    frame = decode(data, width=width)
    assert (frame.width, frame.height) == upright.size
    if width:
        upright = upright.resize((width, round(upright.height * width / upright.width)), Image.Resampling.BOX)
    assert gap(frame, upright) < 4.0


@pytest.mark.parametrize("size", [(1920, 1080), (1000, 333), (481, 7)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_reduced_frames_have_exactly_the_width(kind: str, size: tuple[int, int]) -> None:
    frame = decode(packed(picture(*size), kind), width=120)
    assert frame.pixels.shape == (max(1, round(size[1] * 120 / size[0])), 120, 3)
    assert (frame.width, frame.height) == size


def test_small_pictures_are_never_enlarged() -> None:
    assert decode(packed(picture(), "JPEG"), width=480).pixels.shape == (48, 64, 3)


CUT_KINDS = {
    "jpeg": ("JPEG", {}),
    "jpeg, progressive": ("JPEG", {"progressive": True}),
    "jpeg, exif": ("JPEG", {"exif": oriented(3)}),
    "png": ("PNG", {}),
    "bmp": ("BMP", {}),
    "tiff": ("TIFF", {}),
    "tiff, lzw": ("TIFF", {"compression": "tiff_lzw"}),
    "webp": ("WEBP", {}),
    "webp, lossless": ("WEBP", {"lossless": True}),
    "webp, exif": ("WEBP", {"exif": oriented(3)}),
}


@pytest.mark.parametrize("name", CUT_KINDS)
def test_no_cut_file_is_ever_accepted(name: str) -> None:
    kind, options = CUT_KINDS[name]
    data = packed(picture(), kind, **options)
    decode(data)
    cuts = [*range(0, len(data) - 64, 23), *range(len(data) - 64, len(data))]
    for cut in cuts:
        with pytest.raises(ImageError, match=r"\w") as caught:
            decode(data[:cut])
        assert caught.value.reason in ("truncated", "empty", "not_an_image", "damaged"), cut


def png_announcing(width: int, height: int) -> bytes:
    """A well-formed PNG whose header announces a size, with next to no data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(64)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello, this is no picture", "not_an_image"),
        (b"GIF89a" + bytes(40), "not_an_image"),
        (png_announcing(60_000, 60_000), "too_many_pixels"),
        (png_announcing(8, 0), "damaged"),
        (png_announcing(64, 64), "damaged"),
        (b"\xff\xd8\xff\xd9" + bytes(9), "damaged"),
        (bytes(bytearray(packed(picture(), "PNG")).replace(b"IDAT", b"IDAU")), "damaged"),
        (packed(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"), "unsupported"),
    ],
)
def test_refusals_carry_their_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=r"\w") as caught:
        decode(data)
    assert caught.value.reason == reason


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_animations_are_refused(kind: str) -> None:
    data = packed(picture(), kind, save_all=True, append_images=[picture().rotate(180)])
    with pytest.raises(ImageError, match="animation") as caught:
        decode(data)
    assert caught.value.reason == "unsupported"


def test_the_first_page_of_a_tiff_is_read() -> None:
    data = packed(picture(), "TIFF", save_all=True, append_images=[picture().rotate(180)])
    assert gap(decode(data), picture()) == 0


def test_caps_are_kept() -> None:
    data = packed(picture(), "PNG")
    with pytest.raises(ImageError, match=r"got 64 x 48 pixels, allowed: 3071"):
        decode(data, max_pixels=64 * 48 - 1)
    with pytest.raises(ImageError, match=f"got {len(data)} bytes, allowed: 100"):
        decode(data, max_bytes=100)
    assert decode(data, max_pixels=64 * 48, max_bytes=len(data)).width == 64


def test_time_of_capture_needs_its_time_zone() -> None:
    exif = Image.Exif()
    inner = {36867: "2026:03:01 02:30:00", 37521: "25", 36881: "+09:00"}
    exif.get_ifd(0x8769).update(inner)
    assert decode(packed(picture(), "JPEG", exif=exif)).captured_at == "2026-02-28T17:30:00.250Z"
    del exif.get_ifd(0x8769)[36881]
    assert decode(packed(picture(), "JPEG", exif=exif)).captured_at == ""


def test_files_of_a_folder(tmp_path: Path) -> None:
    """A file below the root becomes a frame; whatever is wrong becomes a Failure with a reason."""
    root, data = tmp_path / "in", packed(picture(), "PNG")
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "a.png").write_bytes(data)
    (tmp_path / "outside.png").write_bytes(data)
    (root / "link.png").symlink_to(tmp_path / "outside.png")
    (root / "loop.png").symlink_to(root / "loop.png")
    (root / "broken.png").write_bytes(data[:50])
    os.mkfifo(root / "pipe.png")
    good = decode_file(root / "sub" / "a.png", root=root)
    assert isinstance(good, Frame)
    assert (good.source, good.sha256) == ("sub/a.png", hashlib.sha256(data).hexdigest())
    reasons = {}
    for name in ("link.png", "loop.png", "pipe.png", "none.png", "sub", "../outside.png", "broken.png"):
        item = decode_file(root / name, root=root)
        assert isinstance(item, Failure)
        assert item.reason in FAILURE_REASONS
        reasons[name] = item.reason
        assert bool(item.sha256) == (name == "broken.png")
    assert reasons == {
        "link.png": "outside",
        "loop.png": "missing",
        "pipe.png": "missing",
        "none.png": "missing",
        "sub": "missing",
        "../outside.png": "outside",
        "broken.png": "truncated",
    }
