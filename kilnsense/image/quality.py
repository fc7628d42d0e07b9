"""Is a picture fit to be judged: dark, saturated, blurred, hazy. Whether it is frozen is seen in `still`."""

import cv2
import numpy as np
from numpy.typing import NDArray

from kilnsense.config import QualityConfig
from kilnsense.errors import InputError
from kilnsense.image.colour import luminance
from kilnsense.types import Frame, Quality
from kilnsense.types.checks import expect_array

_CLIPPED = 250
_DARKEST_BRIGHT = 8.0  # 8-bit luma of the bright end below which haze cannot be told from darkness


def assess(frame: Frame, config: QualityConfig, *, mask: NDArray[np.bool_] | None = None) -> Quality:
    """Measures one picture and says what is wrong with it.

    Haze is the 5th over the 95th percentile of the smoothed 8-bit luma: dust mixes every sight line with the
    same veil, which lifts the dark end towards the bright one. It is 0 in a black picture, which is dark.

    A pixel is saturated where two channels or all have clipped: red alone clips on any hot bed, and
    green still tells it from a hotter one.

    Args:
        frame: the picture, at the width that the thresholds were chosen for.
        config: the thresholds.
        mask: (H, W) True where a pixel is judged; None: everywhere.

    Raises:
        InputError: the mask does not fit the frame, or leaves nothing to judge.
    """
    pixels = frame.pixels
    if mask is None:
        mask = np.ones(pixels.shape[:2], bool)
    expect_array("mask", mask, pixels.shape[:2], np.bool_)
    if not mask.any():
        raise InputError("assess: the mask leaves no pixel to judge; make image.roi larger")
    luma = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    edges = cv2.Laplacian(luma, cv2.CV_32F)
    bright = _percentile(luma, mask, 99)
    smooth = cv2.blur(luma, (5, 5))
    low, high = _percentile(smooth, mask, 5), _percentile(smooth, mask, 95)
    haze = low / high if high >= _DARKEST_BRIGHT else 0.0
    red, green, blue = (pixels[..., channel] >= _CLIPPED for channel in range(3))
    two = (red & green) | (red & blue) | (green & blue)
    saturated = float(np.count_nonzero(two & mask) / np.count_nonzero(mask))
    inside = mask.view(np.uint8)
    sharpness = float(cv2.meanStdDev(edges, mask=inside)[1][0, 0] ** 2)
    dark = bright < config.dark_below
    found = {
        "dark": dark,
        "saturated": saturated > config.saturated_above,
        "blurred": not dark and sharpness < config.blurred_below,  # weak edges are what darkness does
        "hazy": haze > config.hazy_above,
    }
    return Quality(
        luminance=float(cv2.mean(luminance(pixels), mask=inside)[0]),
        bright=bright,
        saturated=saturated,
        sharpness=sharpness,
        haze=haze,
        flags=tuple(flag for flag, wrong in found.items() if wrong),
    )


def _percentile(luma: NDArray[np.generic], mask: NDArray[np.bool_], percent: float) -> float:
    """A percentile of the judged 8-bit values, 0..255, by counting."""
    counts = np.cumsum(cv2.calcHist([np.asarray(luma, np.uint8)], [0], mask.view(np.uint8), [256], [0, 256]))
    return float(np.searchsorted(counts, percent / 100 * counts[-1]))
