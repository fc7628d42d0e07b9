"""Single frames of a video file, for people to look at."""

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import ImageError
from kilnsense.image.decode import check_inside

MARK = "#"
"""Between the path of a video and the number of a frame in the name of that frame."""


def split_name(path: str) -> tuple[str, int | None]:
    """The file of a picture, and for the frame of a video (``clip.mp4#000025``) its number, else None."""
    file, mark, number = path.rpartition(MARK)
    framed = mark and Path(file).suffix and number.isdecimal() and len(number) >= 6
    return (file, int(number)) if framed else (path, None)


def clip_frames(
    path: Path, wanted: Collection[int], *, root: Path
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(number, (H, W, 3) uint8 sRGB, R, G, B) of the wanted frames of a video, in order, counted from 0.

    All frames up to the last one wanted are read, because jumping is not exact in every format.

    Args:
        path: of the video; neither it nor a link on its way may lead out of `root`.
        wanted: numbers of frames.
        root: folder that the video must lie in.

    Raises:
        ImageError: it leads out, cannot be opened, or ends before the last one wanted.
    """
    check_inside(path, root)
    left = set(wanted)
    with contextlib.closing(Capture(path)) as capture:
        number = 0
        while left:
            if not capture.grab():
                reason = "damaged" if path.is_file() else "missing"
                raise ImageError(reason, f"{path.name}: holds no frame {min(left)}; copy it again")
            if number in left:
                left.remove(number)
                if (pixels := capture.pixels()) is None:
                    raise ImageError("damaged", "a frame of the video is damaged; copy the video again")
                yield number, pixels
            number += 1


class Capture:
    """An open video, one frame after the other; its header's count and rate are not believed."""

    def __init__(self, path: Path) -> None:
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)

    def grab(self) -> bool:
        """Goes on by a frame; False at the end."""
        return bool(self._capture.grab())

    def pixels(self) -> NDArray[np.uint8] | None:
        """The frame it stands at, (H, W, 3) uint8 sRGB, R, G, B; None where it is damaged."""
        there, bgr = self._capture.retrieve()
        return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8) if there else None

    def close(self) -> None:
        """Gives the file back."""
        self._capture.release()
