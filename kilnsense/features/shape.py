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
    axis, spread = axis_and_spread(picture)
    light = picture.luminance.sum(axis=0) / (picture.luminance.sum() + 1e-6)
    strips = np.array_split(np.arange(len(axis)), SLICES)
    means = [[values[strip].mean() if len(strip) else 0.0 for strip in strips] for values in (axis, spread)]
    return np.array([*means[0], *means[1], *(light[strip].sum() for strip in strips)], dtype=np.float64)


def axis_and_spread(picture: WorkingPicture) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(W,) height of the light's centre and (W,) its vertical standard deviation, as shares of the height."""
    light = picture.luminance.astype(np.float64)
    total = light.sum(axis=0) + 1e-5
    axis = (light * picture.down).sum(axis=0) / total
    spread = np.sqrt((light * (picture.down - axis) ** 2).sum(axis=0) / total)
    return axis, spread


def _largest_part(picture: WorkingPicture, threshold: float) -> NDArray[np.float64]:
    height, width = picture.mask.shape
    bright = (picture.luminance > threshold).astype(np.uint8)
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(bright)
    if count < 2:
        return np.zeros(len(PARTS))
    largest = 1 + int(np.asarray(statistics)[1:, cv2.CC_STAT_AREA].argmax())
    inside = np.asarray(parts) == largest
    box = np.asarray(statistics)[largest]
    x, y = picture.across[inside].astype(np.float64), picture.down[inside].astype(np.float64)
    outlines, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=len)
    perimeter, area = cv2.arcLength(outline, True), float(len(x))
    hull = cv2.contourArea(cv2.convexHull(outline)) + 1.0
    spread = np.cov(x * width / height, y) if len(x) > 2 else np.zeros((2, 2))
    small, large = np.sqrt(np.maximum(np.linalg.eigvalsh(spread), 1e-6))
    return np.array(
        [
            np.sqrt(area / picture.mask.sum()),
            box[cv2.CC_STAT_WIDTH] / width,
            box[cv2.CC_STAT_HEIGHT] / height,
            x.mean(),
            y.mean(),
            0.5 * np.arctan2(2 * spread[0, 1], spread[0, 0] - spread[1, 1]),
            np.log(small / large),
            area / hull,
            perimeter**2 / area / (4 * np.pi),
            x.max(),
            x.min(),
        ]
    )
