"""Is the picture of a live camera fit to be judged, over time: frozen, dark, over-exposed, blurred, dusted.

Single frames do not count: each fault must last before it is said, and be gone for a while before it is taken
back. Faults that a fixed limit misses are measured against what is usual for this camera, which is learnt
slowly and from good frames alone, and can be kept over a restart.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import InputError
from kilnsense.image.still import STILL_SHARE, StillWatch
from kilnsense.types import Quality

HOLD_S = {"dark": 2.0, "over_exposed": 2.0, "frozen": 0.0, "dusted": 15.0, "blurred": 10.0}
"""Seconds that a fault must last, in the order in which one hides the other: a black or white picture also
stands still. A frozen one was looked at for long enough already; puffs of dust of some seconds belong to a
kiln."""

RELEASE_S = 2.0
"""Seconds that a fault must be gone."""

BLURRED_SHARE = 0.3
"""Of the usual sharpness."""

VEILED_SHARE = 0.5
"""Of the usual contrast: a picture that lost its edges and so much contrast is dusted, not blurred."""

LEARNT = 60
"""Good frames after which the usual values are known."""

_PACE = (
    0.0006  # share of itself that a usual value moves by in a second; twice as much takes 20 to 40 minutes
)


@dataclass(frozen=True)
class Usual:
    """What is usual for a camera.

    Attributes:
        motion: mean 8-bit difference over one second, the upper quartile.
        sharpness: as in `Quality`, the median.
        contrast: 1 - haze as in `Quality`, the median.
        frames: good ones that it was learnt from; below `LEARNT` nothing is known yet.
    """

    motion: float = 0.0
    sharpness: float = 0.0
    contrast: float = 0.0
    frames: int = 0


class PictureWatch:
    """Judges the pictures of one camera in order.

    Args:
        frozen_s: seconds that are looked at before a picture is frozen.
        usual: of `usual` of an earlier watch of this camera; None: it is learnt from nothing.

    Raises:
        InputError: `usual` holds something else.
    """

    def __init__(self, frozen_s: float = 10.0, *, usual: Mapping[str, float] | None = None) -> None:
        self._still = StillWatch(frozen_s)
        self._usual = Usual() if usual is None else _restored(usual)
        self._begun: dict[str, float] = {}  # faults that are seen now -> since when
        self._last: dict[str, float] = {}  # faults -> when they were seen last
        self._standing = dict.fromkeys(HOLD_S, False)
        self._first: list[tuple[float, float, float]] = []
        self._learnt_at = 0.0

    def see(self, quality: Quality, luma: NDArray[np.uint8], now: float) -> str:
        """Takes the next frame; what is wrong with the picture, one of `HOLD_S`, or "".

        Args:
            quality: of the frame.
            luma: of `small_luma`, with the region of interest and without a burnt-in clock.
            now: when the frame arrived, monotonic seconds.
        """
        motion = self._still.see(luma, now)
        seen = self._faults(quality)
        for kind in HOLD_S:
            self._follow(kind, kind in seen, now)
        if not seen and not any(self._standing.values()):
            self._learn(quality, motion, now)
        return self.kind

    @property
    def kind(self) -> str:
        """What is wrong now."""
        return next((kind for kind, standing in self._standing.items() if standing), "")

    def usual(self) -> dict[str, float]:
        """What was learnt, as plain numbers for a file."""
        return {name: float(value) for name, value in asdict(self._usual).items()}

    def _faults(self, quality: Quality) -> set[str]:
        """What is seen in this frame, whether it lasts or not."""
        known = self._usual
        dull = quality.sharpness < BLURRED_SHARE * known.sharpness
        thin = 1 - quality.haze < VEILED_SHARE * known.contrast
        dusted = "hazy" in quality.flags or (dull and thin)
        motion = 0.0 if dusted else known.motion  # dust hides what moves behind it
        found = {
            "frozen": self._still.frozen(motion),
            "dark": "dark" in quality.flags,
            "over_exposed": "saturated" in quality.flags,
            "dusted": dusted,
            "blurred": "blurred" in quality.flags or (dull and not dusted),
        }
        return {kind for kind, there in found.items() if there}

    def _follow(self, kind: str, seen: bool, now: float) -> None:
        if seen:
            begun = self._begun.setdefault(kind, now)
            self._last[kind] = now
            if now - begun >= HOLD_S[kind]:
                self._standing[kind] = True
        elif kind in self._begun and now - self._last[kind] >= RELEASE_S:
            del self._begun[kind]
            self._standing[kind] = False

    def _learn(self, quality: Quality, motion: float | None, now: float) -> None:
        """Begins with the quantiles of the first frames, then moves them a little with each frame."""
        if motion is None:
            return
        usual, seen = self._usual, (motion, quality.sharpness, 1 - quality.haze)
        if usual.frames < LEARNT:
            self._first.append(seen)
            if len(self._first) == LEARNT:
                motions, edges, contrasts = zip(*self._first, strict=True)
                upper = float(np.percentile(motions, 75))
                self._usual = Usual(upper, float(np.median(edges)), float(np.median(contrasts)), LEARNT)
        elif motion >= STILL_SHARE * usual.motion:  # else it may be freezing just now
            pace = _PACE * min(now - self._learnt_at, 1.0)
            self._usual = Usual(
                motion=_towards(usual.motion, seen[0], 0.75, pace),
                sharpness=_towards(usual.sharpness, seen[1], 0.5, pace),
                contrast=_towards(usual.contrast, seen[2], 0.5, pace),
                frames=usual.frames + 1,
            )
        self._learnt_at = now


def _towards(value: float, seen: float, quantile: float, pace: float) -> float:
    """The estimate of a quantile after one more sample; it moves by a share of itself, whatever its size."""
    return value * (1 + 2 * pace * (quantile if seen > value else quantile - 1))


def _restored(numbers: Mapping[str, float]) -> Usual:
    names = set(asdict(Usual()))
    fits = set(numbers) == names and all(np.isfinite(value) and value >= 0 for value in numbers.values())
    if not fits:
        raise InputError(f"PictureWatch: usual: got {dict(numbers)}, allowed: {', '.join(sorted(names))}")
    return Usual(numbers["motion"], numbers["sharpness"], numbers["contrast"], int(numbers["frames"]))
