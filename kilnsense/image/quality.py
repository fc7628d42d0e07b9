"""Is a picture fit to be judged: dark, saturated, blurred, hazy; and frozen, in a sequence."""

from collections.abc import Sequence

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
_MOTION_WIDTH = 160
_STILL_SHARE = 0.25  # of the usual 1-second difference
_IDENTICAL = 0.02  # mean 8-bit difference below which two frames are the same


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


def frozen_frames(
    frames: Sequence[Frame],
    *,
    rate: float,
    mask: NDArray[np.bool_] | None = None,
    window: float = 10.0,
    baseline: float | None = None,
) -> NDArray[np.bool_]:
    """Which frames of a sequence end a stretch in which the picture stood still, (N,) bool.

    A frame is frozen if over the last `window` seconds every frame equalled the one before it, or if every
    difference over one second stayed below a quarter of what is usual for this camera. One threshold alone
    fails: a frozen picture that is encoded again keeps changing a little, and a slow live one repeats frames.

    For sequences only, of a live camera or a run of frames: a single picture never bears the flag ``frozen``.

    Args:
        frames: N frames of one camera, all of one size, in order.
        rate: frames per second.
        mask: (H, W) judged pixels; leave out a burnt-in clock, which ticks on in a frozen picture.
        window: seconds that must have been seen before anything is called frozen.
        baseline: usual mean 8-bit difference over one second; None: the 75th percentile of this sequence.

    Raises:
        InputError: the frames differ in size, the mask does not fit, or rate or window are not positive.
    """
    if rate <= 0 or window <= 0:
        raise InputError(f"frozen_frames: got rate {rate} and window {window}, allowed: above 0")
    small = [_small_luma(frame, mask) for frame in frames]
    if len({picture.shape for picture in small}) > 1:
        raise InputError("frozen_frames: the frames differ in size; give frames of one camera")
    second, span = max(1, round(rate)), max(2, round(rate * window))
    step = _differences(small, 1)
    slow = _differences(small, second)
    if baseline is None:
        baseline = float(np.percentile(slow[second:], 75)) if len(slow) > second else 0.0
    frozen = np.zeros(len(small), bool)
    for end in range(span, len(small)):
        recent = slice(end - span + 1, end + 1)
        late = slow[max(recent.start, second) : end + 1]
        still = len(late) > 0 and bool((late < _STILL_SHARE * baseline).all())
        frozen[end] = still or bool((step[recent] < _IDENTICAL).all())
    return frozen


def _percentile(luma: NDArray[np.generic], mask: NDArray[np.bool_], percent: float) -> float:
    """A percentile of the judged 8-bit values, 0..255, by counting."""
    counts = np.cumsum(cv2.calcHist([np.asarray(luma, np.uint8)], [0], mask.view(np.uint8), [256], [0, 256]))
    return float(np.searchsorted(counts, percent / 100 * counts[-1]))


def _small_luma(frame: Frame, mask: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    height, width = frame.pixels.shape[:2]
    luma = np.asarray(cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2GRAY), np.float32)
    if mask is not None:
        expect_array("mask", mask, (height, width), np.bool_)
        luma = luma * mask
    across = min(width, _MOTION_WIDTH)
    size = (across, max(1, round(height * across / width)))
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.float32)


def _differences(pictures: Sequence[NDArray[np.float32]], lag: int) -> NDArray[np.float64]:
    """Mean absolute difference to the picture `lag` before; 0 where there is none."""
    values = np.zeros(len(pictures))
    for index in range(lag, len(pictures)):
        values[index] = (
            float(cv2.norm(pictures[index], pictures[index - lag], cv2.NORM_L1)) / pictures[0].size
        )
    return values
