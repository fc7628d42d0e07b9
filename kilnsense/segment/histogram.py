"""A frame's judged pixels as a few hundred weighted points of the clustering space."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilnsense.config import SegmentConfig
from kilnsense.errors import InputError
from kilnsense.segment.space import Points, boxes_of, space_of

SAMPLE = 32_768
"""Pixels of a frame that its clusters are fitted on; labels are given to all of them."""

_BANDS = 16  # of height, with the position channel


@dataclass(frozen=True, eq=False)
class Histogram:
    """Occupied colour boxes.

    Attributes:
        points: (n, d) float32, mean colour per box; d is 3, or 4 with the position channel.
        weights: (n,) float64, pixels per box.
        within: mean squared distance of the pixels to the point of their box.
    """

    points: Points
    weights: NDArray[np.float64]
    within: float


def histogram(pixels: NDArray[np.uint8], heights: NDArray[np.float32], config: SegmentConfig) -> Histogram:
    """Groups (n, 3) uint8 sRGB pixels by colour box, on a regular sample of at most about `SAMPLE` of them.

    Args:
        pixels: (n, 3) uint8 sRGB.
        heights: (n,) float32, 0 top .. 1 bottom of the picture; used by the position channel only.
        config: the space and the weight of the position.

    Raises:
        InputError: there are no pixels.
    """
    if not len(pixels):
        raise InputError("segment: got no pixel to judge; make image.roi larger")
    step = -(-len(pixels) // SAMPLE)
    chosen = pixels.take(np.arange(0, len(pixels), step), axis=0)
    points = space_of(config.space).from_srgb(chosen)
    boxes = boxes_of(chosen).astype(np.intp)
    columns = [points[:, 0], points[:, 1], points[:, 2]]
    if config.position_weight > 0:
        up = heights[::step]
        columns.append(up * np.float32(config.position_weight))
        boxes = boxes * _BANDS + np.minimum(up * _BANDS, _BANDS - 1).astype(np.intp)
    counts = np.bincount(boxes)
    full = np.flatnonzero(counts)
    weights = counts[full].astype(np.float64)
    means = [np.bincount(boxes, weights=column)[full] / weights for column in columns]
    squares = sum(float(np.square(column, dtype=np.float64).sum()) for column in columns)
    between = sum(float(weights @ mean**2) for mean in means)
    within = max(0.0, (squares - between) / len(chosen))
    return Histogram(np.stack(means, axis=1).astype(np.float32), weights, within)
