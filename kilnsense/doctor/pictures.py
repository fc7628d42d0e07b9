"""OpenCV: its version, whether it refuses half a picture, and whether it reads video."""

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np

from kilnsense.doctor.findings import Finding
from kilnsense.doctor.ranges import within
from kilnsense.errors import ImageError
from kilnsense.image.decode import decode

NEEDED = ">=4.11"
"""Older ones fill the missing part of a truncated JPEG with grey, or with rows of the picture before."""

_REINSTALL = "pip install --force-reinstall opencv-python-headless"

Decoder = Callable[[Any, int], Any]


def check_pictures() -> Iterator[Finding]:
    """All that is asked of OpenCV."""
    yield check_opencv()
    yield check_truncated()
    yield check_video()


def check_opencv(version: str = cv2.__version__) -> Finding:
    """Whether the OpenCV that is really loaded is new enough."""
    if within(version, NEEDED):
        return Finding("opencv", "ok", f"{version}, needed: {NEEDED}")
    return Finding("opencv", "fail", f"{version}, needed: {NEEDED}", _REINSTALL)


def check_truncated(*, imdecode: Decoder = cv2.imdecode, own: Callable[[bytes], object] = decode) -> Finding:
    """Whether a JPEG that was cut short is refused, by OpenCV and by kilnsense.

    Args:
        imdecode: as `cv2.imdecode`; None for what cannot be decoded.
        own: the decoder of kilnsense; raises ImageError.
    """
    for progressive in (0, 1):
        data = _jpeg(progressive)
        if imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is None or not _accepts(own, data):
            return Finding("truncated_jpeg", "fail", "a whole JPEG cannot be read", _REINSTALL)
        for share in (0.5, 0.9):
            cut = data[: int(len(data) * share)]
            if imdecode(np.frombuffer(cut, np.uint8), cv2.IMREAD_COLOR) is not None:
                found = f"OpenCV takes {share:.0%} of a JPEG for a whole picture"
                return Finding("truncated_jpeg", "fail", found, _REINSTALL)
            if _accepts(own, cut):
                found = f"kilnsense takes {share:.0%} of a JPEG for a whole picture"
                return Finding("truncated_jpeg", "fail", found, "pip install --force-reinstall kilnsense")
    return Finding("truncated_jpeg", "ok", "refused by OpenCV and by kilnsense")


def check_video(has_ffmpeg: bool | None = None) -> Finding:
    """Whether OpenCV can read videos and network cameras; None asks it."""
    if has_ffmpeg is None:
        has_ffmpeg = bool(cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG))
    if has_ffmpeg:
        return Finding("video", "ok", "OpenCV has FFmpeg")
    found = "OpenCV is built without FFmpeg: no videos, no network cameras"
    return Finding("video", "warn", found, _REINSTALL)


def _jpeg(progressive: int) -> bytes:
    """A grey JPEG, 160 x 120, with something to see in every row."""
    rows, columns = np.mgrid[:120, :160]
    grey = ((rows * 7 + columns * 5) % 256).astype(np.uint8)
    _, data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive])
    return bytes(data)


def _accepts(own: Callable[[bytes], object], data: bytes) -> bool:
    try:
        own(data)
    except ImageError:
        return False
    return True
