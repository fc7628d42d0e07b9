"""The shape of the bright part, at levels relative to the brightest: exposure cancels but for clipping."""

import cv2
import numpy as np
from numpy.typing import NDArray

from kilnsense.features.picture import WorkingPicture

LEVELS = (0.05, 0.15, 0.35, 0.65)
"""Shares of the brightest luminance; the largest connected part above each is described."""

PARTS = (
    "root_area", "width", "height", "x", "y", "angle", "elongation",
    "solidity", "roundness", "right", "left",
)  # fmt: skip
SHAPE_NAMES = tuple(f"{level:g}.{part}" for level in LEVELS for part in PARTS)
"""Names of the columns of `describe_shape`."""

SLICES = 10
"""Vertical strips in which the course of the flame's axis is described."""
COURSE_NAMES = tuple(f"{what}{strip}" for what in ("axis", "half_width", "light") for strip in range(SLICES))
"""Names of the columns of `describe_course`."""


def describe_shape(picture: WorkingPicture) -> NDArray[np.float64]:
    """(44,) numbers, eleven a level: root of the area share, width and height of the box, centroid, tilt of
    the long axis in radians, ln of the axes' variance ratio, solidity (area / convex area), squared perimeter
    / (4 pi area), right and left end as shares of the width. Zeros where nothing is that bright.
    """
    return np.concatenate([_largest_part(picture, level * picture.top) for level in LEVELS])


def describe_course(picture: WorkingPicture) -> NDArray[np.float64]:
    """(30,) numbers: per strip from left to right the height of the light's centre (share of the height), its
    vertical standard deviation (the same unit), and the strip's share of all light."""
    light = picture.luminance.sum(axis=0) / (picture.luminance.sum() + 1e-6)
    # Ends of the strips; where there are fewer columns than strips, the last ones are empty.
    width, spare = divmod(len(light), SLICES)
    ends = np.cumsum([0, *(width + (strip < spare) for strip in range(SLICES))])
    columns = np.array([*picture.axis_and_spread, light], np.float64)
    sums = np.diff(np.pad(columns.cumsum(axis=1), ((0, 0), (1, 0)))[:, ends], axis=1)
    sums[:2] /= np.maximum(np.diff(ends), 1)
    return sums.ravel()


def _largest_part(picture: WorkingPicture, threshold: float) -> NDArray[np.float64]:
    height, width = picture.mask.shape
    bright = (picture.luminance > threshold).view(np.uint8)
    count, parts = cv2.connectedComponents(bright)
    if count < 2:
        return np.zeros(len(PARTS))
    largest = 1 + int(np.bincount(parts.ravel())[1:].argmax())
    inside = (parts == largest).view(np.uint8)
    left, _, across, down = cv2.boundingRect(inside)
    moments = cv2.moments(inside, binaryImage=True)
    area, x, y = moments["m00"], moments["m10"], moments["m01"]
    outlines, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=len)
    hull = cv2.contourArea(cv2.convexHull(outline)) + 1.0
    # Variances from whole numbers: a part that is symmetric has no tilt, whatever the rounding.
    scale = area * (area - 1) * height**2 if area > 2 else np.inf
    var_x = (area * moments["m20"] - x * x) / scale
    var_y = (area * moments["m02"] - y * y) / scale
    tilt = (area * moments["m11"] - x * y) / scale
    middle, half = (var_x + var_y) / 2, np.hypot((var_x - var_y) / 2, tilt)
    return np.array(
        [
            np.sqrt(area / picture.judged),
            across / width,
            down / height,
            (x / area + 0.5) / width,
            (y / area + 0.5) / height,
            0.5 * np.arctan2(2 * tilt, var_x - var_y),
            0.5 * np.log(max(middle - half, 1e-6) / max(middle + half, 1e-6)),
            area / hull,
            cv2.arcLength(outline, True) ** 2 / area / (4 * np.pi),
            (left + across - 0.5) / width,
            (left + 0.5) / width,
        ]
    )
