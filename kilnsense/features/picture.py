"""The small working picture from which all descriptors are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import InputError
from kilnsense.image.colour import luminance_of, srgb_to_lab, srgb_to_linear
from kilnsense.types import Frame, Segmentation

WIDTH = 180
"""Descriptors are read at this width in pixels, so that texture means the same for every camera."""


@dataclass(frozen=True, eq=False)
class WorkingPicture:
    """A frame reduced to about `WIDTH` columns, in the colour spaces that descriptors need.

    Attributes:
        lab: (H, W, 3) float32 CIE Lab (D65).
        light: (H, W, 3) float32 linear sRGB, R, G, B, 0..1.
        luminance: (H, W) float32, 0..1, and 0 outside the judged part.
        mask: (H, W) bool, True where the picture is judged.
        labels: (H, W) int8, slot of the region, -1 outside the judged part.
        across, down: (W,) and (H,) float32, place of a pixel's centre as share of width and height, 0..1.
    """

    lab: NDArray[np.float32]
    light: NDArray[np.float32]
    luminance: NDArray[np.float32]
    mask: NDArray[np.bool_]
    labels: NDArray[np.int8]
    across: NDArray[np.float32]
    down: NDArray[np.float32]

    @cached_property
    def foreground(self) -> NDArray[np.bool_]:
        """(H, W) what is brighter than 3 % of the brightest; all judged pixels where that is next to none."""
        bright = self.luminance > 0.03 * self.top
        return bright if bright.sum() >= 10 else self.mask

    @cached_property
    def top(self) -> float:
        """Luminance of the brightest half percent of the judged pixels, above 0."""
        return float(percentiles(self.luminance[self.mask], (99.5,))[0]) + 1e-4

    @cached_property
    def lab_channels(self) -> tuple[NDArray[np.float32], ...]:
        """L, a and b, (H, W) each: to pick pixels from a channel of its own is quick."""
        return tuple(np.asarray(channel, np.float32) for channel in cv2.split(self.lab))

    @cached_property
    def light_channels(self) -> tuple[NDArray[np.float32], ...]:
        """Red, green and blue light, (H, W) each."""
        return tuple(np.asarray(channel, np.float32) for channel in cv2.split(self.light))

    @cached_property
    def judged(self) -> int:
        """Number of judged pixels, above 0."""
        return int(np.count_nonzero(self.mask))

    @cached_property
    def axis_and_spread(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(W,) height of the light's centre and (W,) its vertical standard deviation: shares of height."""
        light = self.luminance.astype(np.float64)
        total = light.sum(axis=0) + 1e-5
        down = self.down[:, None]
        axis = (light * down).sum(axis=0) / total
        spread = np.sqrt((light * (down - axis) ** 2).sum(axis=0) / total)
        return axis, spread


def percentiles(values: NDArray[np.floating[Any]], wanted: Sequence[float]) -> NDArray[np.float64]:
    """Percentiles along the last axis, between neighbours on a straight line; `wanted` comes last.

    As `np.percentile`, and several times as fast: NumPy sorts float32 faster than it selects from float64.
    """
    ordered = np.sort(values, axis=-1)
    below, above, part = _places(ordered.shape[-1], wanted)
    low, high = (ordered.take(index, axis=-1).astype(np.float64) for index in (below, above))
    result: NDArray[np.float64] = low + (high - low) * part
    return result


def counted_percentiles(
    values: NDArray[np.floating[Any]], counts: NDArray[np.integer[Any]], wanted: Sequence[float]
) -> NDArray[np.float64]:
    """As `percentiles`, of rising (n,) values of which each occurs `counts` (n,) times, and one at least."""
    ends = np.cumsum(counts)
    below, above, part = _places(int(ends[-1]), wanted)
    low, high = values[np.searchsorted(ends, [below, above], side="right")].astype(np.float64)
    result: NDArray[np.float64] = low + (high - low) * part
    return result


def _places(
    count: int, wanted: Sequence[float]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Where percentiles lie in so many ordered values: below, above, and how far from one to the other."""
    place = np.asarray(wanted, np.float64) / 100 * (count - 1)
    below = place.astype(np.intp)
    return below, np.minimum(below + 1, count - 1), place - below


def working_picture(frame: Frame, segmentation: Segmentation, judged: NDArray[np.bool_]) -> WorkingPicture:
    """Reduces a frame and its segmentation.

    Args:
        frame: the picture.
        segmentation: of the same size; -1 outside the judged part.
        judged: (H, W) bool, as of `judged_pixels`.

    Raises:
        InputError: no pixel is judged.
    """
    height, width = judged.shape
    factor = min(1.0, WIDTH / width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    pixels = np.asarray(cv2.resize(frame.pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    nearest = cv2.INTER_NEAREST_EXACT
    small = np.asarray(cv2.resize(judged.astype(np.uint8), size, interpolation=nearest)) > 0
    labels = np.asarray(cv2.resize(segmentation.labels.view(np.uint8), size, interpolation=nearest)).view(
        np.int8
    )
    if not small.any():
        raise InputError(
            f"descriptors of {frame.source or 'a frame'}: the mask leaves no pixel to judge; make it larger"
        )
    light = srgb_to_linear(pixels)
    return WorkingPicture(
        lab=srgb_to_lab(pixels),
        light=light,
        luminance=luminance_of(light) * small,
        mask=small,
        labels=np.where(small, labels, np.int8(-1)),
        across=(np.arange(size[0], dtype=np.float32) + np.float32(0.5)) / np.float32(size[0]),
        down=(np.arange(size[1], dtype=np.float32) + np.float32(0.5)) / np.float32(size[1]),
    )


def judged_pixels(
    frame: Frame, segmentation: Segmentation, *, mask: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    """(H, W) True where the picture is judged: inside `mask` and not -1 in the segmentation.

    Raises:
        InputError: sizes differ.
    """
    size = frame.pixels.shape[:2]
    for what, array in (("labels", segmentation.labels), ("mask", mask)):
        if array is not None and array.shape != size:
            raise InputError(
                f"descriptors of {frame.source or 'a frame'}: got {what} {array.shape}, "
                f"allowed: {size} as the picture"
            )
    labelled = segmentation.labels >= 0
    return labelled if mask is None else labelled & mask
