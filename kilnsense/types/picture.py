"""One picture: decoded, refused, or judged for its quality."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import FAILURE_REASONS
from kilnsense.types.checks import expect, expect_array

QUALITY_FLAGS = ("dark", "saturated", "blurred", "hazy", "frozen")
"""What can be wrong with a picture, in the order in which it is reported."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One decoded picture.

    Attributes:
        pixels: (H, W, 3) uint8, sRGB, channel order R, G, B; upright (EXIF orientation applied).
        source: the path relative to the source's root, POSIX separators, or a camera name.
        width, height: size in pixels of the picture in the file, upright; `pixels` may be reduced.
        sha256: hex digest of the file's bytes, or "" for a live picture.
        captured_at: UTC ISO-8601 with milliseconds and Z, or "" where the file does not say.
    """

    pixels: NDArray[np.uint8]
    source: str = ""
    width: int = 0
    height: int = 0
    sha256: str = ""
    captured_at: str = ""

    def __post_init__(self) -> None:
        expect_array("Frame.pixels", self.pixels, (None, None, 3), np.uint8)
        expect(min(self.pixels.shape[:2]) > 0, "Frame.pixels shape", self.pixels.shape, "at least 1 x 1")
        if not self.width or not self.height:
            object.__setattr__(self, "height", int(self.pixels.shape[0]))
            object.__setattr__(self, "width", int(self.pixels.shape[1]))


@dataclass(frozen=True)
class Failure:
    """A file that could not become a `Frame`.

    Attributes:
        source: as in `Frame`.
        reason: a key of `FAILURE_REASONS`.
        message: one sentence for people.
        sha256: hex digest of the bytes where they could be read, else "".
    """

    source: str
    reason: str
    message: str
    sha256: str = ""

    def __post_init__(self) -> None:
        expect(
            self.reason in FAILURE_REASONS, "Failure.reason", repr(self.reason), ", ".join(FAILURE_REASONS)
        )


@dataclass(frozen=True)
class Quality:
    """Whether a picture can be judged at all.

    Attributes:
        luminance: mean relative luminance Y of linear sRGB, 0..1.
        bright: 99th percentile of the 8-bit luma, 0..255.
        saturated: share of the judged pixels with two channels at 250 or above, 0..1.
        sharpness: variance of the Laplacian of the 8-bit luma, 0 and up.
        haze: 0 (clear) .. 1 (nothing but veil).
        flags: subset of `QUALITY_FLAGS` in that order.
    """

    luminance: float
    bright: float
    saturated: float
    sharpness: float
    haze: float
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = [flag for flag in self.flags if flag not in QUALITY_FLAGS]
        expect(not unknown, "Quality.flags", unknown, ", ".join(QUALITY_FLAGS))

    @property
    def usable(self) -> bool:
        """True where no flag speaks against judging the picture."""
        return not self.flags
