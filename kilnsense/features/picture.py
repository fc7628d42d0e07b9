"""The small working picture from which all descriptors are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import InputError
from kilnsense.image.colour import luminance, srgb_to_lab, srgb_to_linear
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
        across, down: (H, W) float32, place of the pixel's centre as shares of width and height, 0..1.
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
    def judged(self) -> int:
        """Number of judged pixels, above 0."""
        return int(np.count_nonzero(self.mask))

    @cached_property
    def axis_and_spread(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(W,) height of the light's centre and (W,) its vertical standard deviation, shares of the height."""
        light = self.luminance.astype(np.float64)
        total = light.sum(axis=0) + 1e-5
        axis = (light * self.down).sum(axis=0) / total
        spread = np.sqrt((light * (self.down - axis) ** 2).sum(axis=0) / total)
        return axis, spread


def percentiles(values: NDArray[np.floating[Any]], wanted: Sequence[float]) -> NDArray[np.float64]:
    """Percentiles along the last axis, between neighbours on a straight line; `wanted` comes last.

    As `np.percentile`, and several times as fast: NumPy sorts float32 faster than it selects from float64.
    """
    ordered = np.sort(values, axis=-1)
    place = np.asarray(wanted, np.float64) / 100 * (ordered.shape[-1] - 1)
    below = np.floor(place).astype(np.intp)
    above = np.minimum(below + 1, ordered.shape[-1] - 1)
    low, high = (ordered[..., index].astype(np.float64) for index in (below, above))
    result: NDArray[np.float64] = low + (high - low) * (place - below)
    return result


def working_picture(
    frame: Frame, segmentation: Segmentation, *, mask: NDArray[np.bool_] | None = None
) -> WorkingPicture:
    """Reduces a frame and its segmentation.

    Args:
        frame: the picture.
        segmentation: of the same size; -1 outside the judged part.
        mask: (H, W) bool, judged pixels; None: where the segmentation is not -1.

    Raises:
        InputError: sizes differ, or no pixel is judged.
    """
    judged = judged_pixels(frame, segmentation, mask=mask)
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
    down, across = np.indices(small.shape, dtype=np.float32)
    return WorkingPicture(
        lab=srgb_to_lab(pixels),
        light=srgb_to_linear(pixels),
        luminance=luminance(pixels) * small,
        mask=small,
        labels=np.where(small, labels, np.int8(-1)),
        across=(across + 0.5) / size[0],
        down=(down + 0.5) / size[1],
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
