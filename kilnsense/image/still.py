"""Does a picture stand still: frames of one camera against those before them.

Two signs, because one threshold alone fails: over some seconds every frame equals the one before it, or every
difference over one second stays below a quarter of what is usual for this camera. A frozen picture that is
encoded again keeps changing a little, and a slow live one repeats frames. A burnt-in clock must be masked: it
ticks on in a frozen picture.
"""

from collections import deque
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import InputError
from kilnsense.types import Frame
from kilnsense.types.checks import expect_array

MOTION_WIDTH = 160
STILL_SHARE = 0.25
"""Of the usual difference over a second; below that hardly anything moves."""
IDENTICAL = 0.02
"""Mean 8-bit difference below which two frames are the same."""

_SECOND = 0.9  # seconds between two frames that are compared over "a second"


def small_luma(frame: Frame, mask: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """(h, w) uint8 luma, at most `MOTION_WIDTH` wide, 0 where the mask is False.

    Args:
        frame: the picture.
        mask: (H, W) True where a pixel counts; leave a burnt-in clock out. None: everywhere.

    Raises:
        InputError: the mask does not fit the frame.
    """
    height, width = frame.pixels.shape[:2]
    luma = cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2GRAY)
    if mask is not None:
        expect_array("mask", mask, (height, width), np.bool_)
        luma = cv2.bitwise_and(luma, luma, mask=mask.view(np.uint8))
    across = min(width, MOTION_WIDTH)
    size = (across, max(1, round(height * across / width)))
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)


class StillWatch:
    """Looks at the pictures of one camera in order, and says when they stand still.

    Args:
        window: seconds that must have been seen, without a hole as long, before anything is called frozen.
    """

    def __init__(self, window: float) -> None:
        self._window = window
        self._seen: deque[tuple[float, NDArray[np.uint8], float, float | None]] = deque()

    def see(self, luma: NDArray[np.uint8], at: float) -> float | None:
        """Takes the next picture; its mean 8-bit difference to the one a second before, if any.

        Args:
            luma: of `small_luma`.
            at: seconds, rising.
        """
        if self._seen and (at - self._seen[-1][0] > self._window or self._seen[-1][1].shape != luma.shape):
            self._seen.clear()  # what was before says nothing of now
        step = _difference(luma, self._seen[-1][1]) if self._seen else float("inf")
        before = next((old for old in reversed(self._seen) if at - old[0] >= _SECOND), None)
        slow = None if before is None else _difference(luma, before[1])
        self._seen.append((at, luma, step, slow))
        while len(self._seen) > 1 and self._seen[1][0] <= at - self._window:
            self._seen.popleft()
        return slow

    def frozen(self, usual: float) -> bool:
        """Whether all of the window stood still, where differences over a second are `usual` (0: unknown)."""
        if not self._seen or self._seen[-1][0] - self._seen[0][0] < self._window:
            return False
        recent = list(self._seen)[1:]
        slow = [value for *_, value in recent if value is not None]
        still = bool(slow) and all(value < STILL_SHARE * usual for value in slow)
        return still or all(step < IDENTICAL for _, _, step, _ in recent)


def frozen_frames(
    frames: Sequence[Frame],
    *,
    rate: float,
    mask: NDArray[np.bool_] | None = None,
    window: float = 10.0,
    baseline: float | None = None,
) -> NDArray[np.bool_]:
    """Which frames of a sequence end a stretch in which the picture stood still, (N,) bool.

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
    small = [small_luma(frame, mask) for frame in frames]
    if len({picture.shape for picture in small}) > 1:
        raise InputError("frozen_frames: the frames differ in size; give frames of one camera")
    if baseline is None:
        watch = StillWatch(window)
        slow = [watch.see(luma, number / rate) for number, luma in enumerate(small)]
        known = [value for value in slow if value is not None]
        baseline = float(np.percentile(known, 75)) if known else 0.0
    watch = StillWatch(window)
    frozen = np.zeros(len(small), bool)
    for number, luma in enumerate(small):
        watch.see(luma, number / rate)
        frozen[number] = watch.frozen(baseline)
    return frozen


def _difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Mean absolute difference, 0..255."""
    return float(cv2.norm(one, other, cv2.NORM_L1)) / one.size
