"""The part of a picture that is judged: a polygon, less polygons that never count."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import ConfigError

Polygon = Sequence[tuple[float, float]]


def roi_mask(
    height: int, width: int, *, roi: Polygon = (), exclude: Sequence[Polygon] = ()
) -> NDArray[np.bool_]:
    """True where a pixel is judged, (height, width).

    Args:
        height, width: of the picture in pixels.
        roi: corners (x, y) as shares of width and height, 0..1; empty: the whole picture.
        exclude: polygons that never count, such as a burnt-in clock.

    Raises:
        ConfigError: a polygon has fewer than three corners, or nothing is left to judge.
    """
    mask = np.zeros((height, width), np.uint8) if roi else np.ones((height, width), np.uint8)
    for polygon, value in [(roi, 1), *((hole, 0) for hole in exclude)]:
        if not polygon and value:
            continue
        if len(polygon) < 3:
            raise ConfigError(
                f"image.roi or image.exclude: got {len(polygon)} corners, allowed: 3 and more, or none"
            )
        corners = np.asarray(polygon, np.float64) * (width, height) - 0.5
        cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], value)
    if not mask.any():
        raise ConfigError("image.roi and image.exclude leave no pixel to judge; make the polygon larger")
    return mask.astype(bool)
