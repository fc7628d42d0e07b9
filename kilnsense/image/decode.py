"""The one decoder: bytes or a path to a `Frame`, for training, labelling and live pictures alike.

JPEG, PNG, BMP, TIFF and WebP; 1 to 16 bits a channel (16 bits are scaled down, never clipped); grey, palette,
alpha, CMYK. Three choices:

- Alpha is dropped, not blended: the file's colours are what was measured, a background would be invented.
- Of a TIFF file of several pages the first is read; animated PNG and WebP files are refused.
- Colour profiles are ignored; pixel values are taken as sRGB.
"""

import hashlib
import os
from pathlib import Path

os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 28))  # read once, when OpenCV is loaded
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what it would print is said by the error raised

import cv2
import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import ImageError
from kilnsense.image.container import Header, read_header
from kilnsense.image.tiff import neutral_copy
from kilnsense.types import Failure, Frame

_REDUCED = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)
_MAX_PASS_PIXELS = 400_000_000  # pixels times scans of a progressive JPEG: about two seconds of work


def decode(
    data: bytes | Path,
    *,
    source: str = "",
    width: int = 0,
    max_bytes: int = 50_000_000,
    max_pixels: int = 50_000_000,
) -> Frame:
    """Decodes one picture, upright, in RGB.

    Args:
        data: the file's bytes, or its path.
        source: what the frame will call itself; a path's name if empty.
        width: the frame is exactly this many pixels wide where the file is wider; 0 is full size.
        max_bytes, max_pixels: larger files and pictures are refused before they are decoded.

    Raises:
        ImageError: with the reason code (`FAILURE_REASONS`) and one sentence.
    """
    if isinstance(data, Path):
        source, data = source or data.name, _read(data, max_bytes)
    if len(data) > max_bytes:
        raise _too_large(len(data), max_bytes)
    header = read_header(data)
    _check_size(header, max_pixels)
    pixels = _shrink(_upright(_pixels(data, header, width), header.orientation), header, width)
    across, down = _upright_size(header)
    return Frame(
        pixels=pixels,
        source=source,
        width=across,
        height=down,
        sha256=hashlib.sha256(data).hexdigest(),
        captured_at=header.captured_at,
    )


def decode_file(
    path: Path,
    *,
    root: Path,
    width: int = 0,
    max_bytes: int = 50_000_000,
    max_pixels: int = 50_000_000,
) -> Frame | Failure:
    """Decodes a file of a folder; whatever is wrong with it comes back as a `Failure`.

    Args:
        path: the file, below `root`; neither it nor a link on its way may lead out of `root`.
        root: the folder that the source's name is relative to.
        width, max_bytes, max_pixels: as for `decode`.
    """
    source = _name(path, root)
    sha256 = ""
    try:
        check_inside(path, root)
        data = _read(path, max_bytes)
        sha256 = hashlib.sha256(data).hexdigest()
        return decode(data, source=source, width=width, max_bytes=max_bytes, max_pixels=max_pixels)
    except ImageError as error:
        return Failure(source=source, reason=error.reason, message=str(error), sha256=sha256)


def _name(path: Path, root: Path) -> str:
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return path.name


def check_inside(path: Path, root: Path) -> None:
    """Refuses a path that leads out of `root`, by itself or by a link. Raises ImageError."""
    try:
        inside = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:
        raise ImageError("missing", f"{path.name}: the path cannot be followed; check its links") from error
    if not inside:
        raise ImageError("outside", f"{path.name}: leads out of {root}; copy the file into the folder")


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        if not path.is_file():  # also keeps pipes and devices, which would block, from being opened
            raise ImageError("missing", f"{path.name}: no regular file is there; check the path")
        size = path.stat().st_size
        if size > max_bytes:
            raise _too_large(size, max_bytes)
        return path.read_bytes()
    except OSError as error:
        raise ImageError("unreadable", f"{path.name}: cannot be read ({error.strerror})") from error


def _too_large(size: int, max_bytes: int) -> ImageError:
    return ImageError(
        "too_large", f"got {size} bytes, allowed: {max_bytes}; raise image.max_megabytes if meant"
    )


def _check_size(header: Header, max_pixels: int) -> None:
    count = header.width * header.height
    if max(count, header.largest_block) > max_pixels:
        raise ImageError(
            "too_many_pixels",
            f"{header.format}: got {header.width} x {header.height} pixels, allowed: {max_pixels} in all; "
            "raise image.max_megapixels if meant",
        )
    if header.passes > 12 and count * header.passes > _MAX_PASS_PIXELS:
        raise ImageError(
            "unsupported", f"JPEG: got {header.passes} scans of {count} pixels; save it with fewer scans"
        )


def _upright_size(header: Header) -> tuple[int, int]:
    turned = header.orientation >= 5
    return (header.height, header.width) if turned else (header.width, header.height)


def _pixels(data: bytes, header: Header, width: int) -> NDArray[np.uint8]:
    """The stored picture, not yet turned, in RGB; a JPEG reduced to no less than `width` upright."""
    shrink, flag = 1, cv2.IMREAD_COLOR
    if header.format == "JPEG" and width:
        fitting = [pair for pair in _REDUCED if _upright_size(header)[0] >= pair[0] * width]
        shrink, flag = fitting[0] if fitting else (shrink, flag)
    if header.format == "TIFF":
        data = neutral_copy(data)
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flag | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ImageError("damaged", f"{header.format}: the decoder gave up ({error.err})") from error
    expected = (-(-header.height // shrink), -(-header.width // shrink), 3)
    if bgr is None or bgr.shape != expected or bgr.dtype != np.uint8:
        raise ImageError("damaged", f"{header.format}: the picture data are damaged, or of a rare variant")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr), np.uint8)


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Applies an EXIF orientation 1..8 (Exif 2.32, tag 274)."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _shrink(pixels: NDArray[np.uint8], header: Header, width: int) -> NDArray[np.uint8]:
    across, down = _upright_size(header)
    if not width or across <= width:
        return pixels
    height = max(1, round(down * width / across))
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
