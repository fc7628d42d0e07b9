"""Hand-made descriptors of one frame: the honest baseline, one block of the fusion, and half of familiarity.

They come in blocks, each of which says one kind of thing (`descriptor_blocks`):

- ``region``: per region presence, root of the area share, Lab mean and spread, place and extent.
- ``relation``: per region ln(R/G) and ln(R/B) of its mean light, and from region to region the difference of
  Lab means. Exposure cancels out of the ratios but for clipping.
- ``extent``: per region its left, right, top and bottom end (2nd and 98th percentile, so a flame's length and
  the height of the bed's edge), and L, a, b at its 10th and 90th percentile.
- ``ratio``, ``tone``, ``hue``, ``texture``: colour ratios, percentiles of lightness and haze, hue, detail.
- ``shape``, ``course``: the bright part at levels relative to the brightest, and its axis along the picture.
- ``thumbnail``: the picture itself at 16 x 16, for raw comparison.

An absent region has its presence column at 0 and neutral values (the colour of its own slot, no spread, the
middle of the picture), never NaN and never a missing column.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import InputError
from kilnsense.features.appearance import (
    BLACK,
    HUE_NAMES,
    RATIO_NAMES,
    TEXTURE_NAMES,
    TONE_NAMES,
    describe_hue,
    describe_ratios,
    describe_texture,
    describe_tone,
)
from kilnsense.features.picture import (
    WorkingPicture,
    counted_percentiles,
    judged_pixels,
    percentiles,
    working_picture,
)
from kilnsense.features.shape import COURSE_NAMES, SHAPE_NAMES, describe_course, describe_shape
from kilnsense.types import Frame, Region, Segmentation

RECIPE = ("region", "relation", "ratio", "shape", "texture", "thumbnail")
"""The blocks that the classifiers see unless told otherwise."""
SIDE = 16
REGION_PARTS = (
    "present", "root_area", "L", "a", "b", "L.spread", "a.spread", "b.spread",
    "x", "y", "x.spread", "y.spread",
)  # fmt: skip
EXTENT_PARTS = ("left", "right", "top", "bottom", "L.low", "a.low", "b.low", "L.high", "a.high", "b.high")
FEWEST = 4
"""A region with fewer pixels in the working picture counts as absent."""


def describe(
    frame: Frame,
    segmentation: Segmentation,
    regions: Sequence[Region],
    *,
    mask: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """All descriptors of one frame.

    Args:
        frame: the picture.
        segmentation: of the same size as the picture.
        regions: one per name, in the order of `segmentation.names`; says which are present.
        mask: (H, W) bool, judged pixels; None: where the segmentation is not -1.

    Returns:
        (F,) float32, finite, columns as `descriptor_names`.

    Raises:
        InputError: sizes or region names do not fit, or no pixel is judged.
    """
    names = tuple(region.name for region in regions)
    if names != segmentation.names:
        raise InputError(f"descriptors: got regions {names}, allowed: {segmentation.names} in this order")
    judged = judged_pixels(frame, segmentation, mask=mask)
    picture = working_picture(frame, segmentation, judged)
    inside = [_part(picture, slot, region) for slot, region in enumerate(regions)]
    parts = (
        _regions(picture, inside, segmentation.centres),
        _relations(inside, segmentation.centres),
        _extents(picture, inside, segmentation.centres),
        describe_ratios(picture),
        describe_tone(picture),
        describe_hue(picture),
        describe_texture(picture),
        describe_shape(picture),
        describe_course(picture),
        thumbnail(frame, judged),
    )
    return np.concatenate(parts).astype(np.float32)


def descriptor_names(region_names: Sequence[str]) -> tuple[str, ...]:
    """The names of the columns of `describe`, ``block.what``, for the regions in the codebook's order."""
    return tuple(f"{block}.{name}" for block, names in _columns(region_names).items() for name in names)


def descriptor_blocks(region_names: Sequence[str]) -> tuple[tuple[str, int, int], ...]:
    """(name, start, stop) of each block of `describe`, in order and without gaps."""
    blocks, start = [], 0
    for name, columns in _columns(region_names).items():
        blocks.append((name, start, start + len(columns)))
        start += len(columns)
    return tuple(blocks)


def select_blocks(
    rows: NDArray[np.float32], region_names: Sequence[str], chosen: Sequence[str] = RECIPE
) -> tuple[NDArray[np.float32], tuple[tuple[str, int, int], ...]]:
    """Some blocks of (N, F) descriptors side by side, and their new (name, start, stop).

    Raises:
        InputError: a block that does not exist, or rows of another width.
    """
    parts = split_blocks(rows, region_names, chosen)
    blocks, start = [], 0
    for name, part in parts.items():
        blocks.append((name, start, start + part.shape[1]))
        start += part.shape[1]
    return np.concatenate(list(parts.values()), axis=1), tuple(blocks)


def split_blocks(
    rows: NDArray[np.float32], region_names: Sequence[str], chosen: Sequence[str] = RECIPE
) -> dict[str, NDArray[np.float32]]:
    """Some blocks of (N, F) descriptors by name, in the order of `chosen`.

    Raises:
        InputError: a block that does not exist, or rows of another width.
    """
    places = {name: (start, stop) for name, start, stop in descriptor_blocks(region_names)}
    width = max(stop for _, stop in places.values())
    if rows.ndim != 2 or rows.shape[1] != width:
        raise InputError(f"descriptors: got shape {rows.shape}, allowed: (N, {width})")
    unknown = [name for name in chosen if name not in places]
    if unknown:
        raise InputError(f"descriptors: got block {unknown[0]!r}, allowed: {', '.join(places)}")
    return {name: rows[:, slice(*places[name])] for name in chosen}


def thumbnail(frame: Frame, mask: NDArray[np.bool_], side: int = SIDE) -> NDArray[np.float32]:
    """(side * side * 3,) float32 sRGB 0..1, row by row, R, G, B; 0 where the picture is not judged."""
    pixels = cv2.bitwise_and(frame.pixels, frame.pixels, mask=mask.view(np.uint8))
    small = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
    return (np.asarray(small, dtype=np.float32) / np.float32(255.0)).ravel()


def _columns(region_names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    pairs = list(itertools.pairwise(region_names))
    relation = [f"{name}.{what}" for name in region_names for what in ("ln_red_green", "ln_red_blue")]
    relation += [f"{later}-{earlier}.{axis}" for earlier, later in pairs for axis in "Lab"]
    places = [
        f"{row}.{column}.{channel}" for row in range(SIDE) for column in range(SIDE) for channel in "RGB"
    ]
    return {
        "region": tuple(f"{name}.{part}" for name in region_names for part in REGION_PARTS),
        "relation": tuple(relation),
        "extent": tuple(f"{name}.{part}" for name in region_names for part in EXTENT_PARTS),
        "ratio": RATIO_NAMES,
        "tone": TONE_NAMES,
        "hue": HUE_NAMES,
        "texture": TEXTURE_NAMES,
        "shape": SHAPE_NAMES,
        "course": COURSE_NAMES,
        "thumbnail": tuple(places),
    }


@dataclass(frozen=True, eq=False)
class _Part:
    """One region in the working picture: (3,) colours, its pixels' (3, n) Lab, and how many of them lie in
    each column (W,) and in each row (H,) of the picture."""

    mean_lab: NDArray[np.float64]
    spread_lab: NDArray[np.float64]
    mean_light: NDArray[np.float64]
    lab: NDArray[np.float32]
    columns: NDArray[np.int64]
    rows: NDArray[np.int64]


def _part(picture: WorkingPicture, slot: int, region: Region) -> _Part | None:
    member = picture.labels == slot
    inside = member.view(np.uint8)
    if not region.present or cv2.countNonZero(inside) < FEWEST:
        return None
    mean, spread = (np.asarray(of, np.float64).ravel() for of in cv2.meanStdDev(picture.lab, mask=inside))
    columns, rows = (
        np.asarray(cv2.reduce(inside, axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S), np.int64).ravel()
        for axis in (0, 1)
    )
    return _Part(
        mean_lab=mean,
        spread_lab=spread,
        mean_light=np.array(cv2.mean(picture.light, mask=inside)[:3]),
        lab=np.stack([channel[member] for channel in picture.lab_channels]),
        columns=columns,
        rows=rows,
    )


def _regions(
    picture: WorkingPicture, parts: Sequence[_Part | None], centres: NDArray[np.float32]
) -> NDArray[np.float64]:
    rows: list[float] = []
    for slot, part in enumerate(parts):
        if part is None:
            rows += [0.0, 0.0, *map(float, centres[slot]), 0.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0]
            continue
        x, x_spread = _counted_mean_and_spread(picture.across, part.columns)
        y, y_spread = _counted_mean_and_spread(picture.down, part.rows)
        rows += [1.0, float(np.sqrt(part.lab.shape[1] / picture.judged))]
        rows += [*map(float, part.mean_lab), *map(float, part.spread_lab), x, y, x_spread, y_spread]
    return np.array(rows)


def _counted_mean_and_spread(values: NDArray[np.float32], counts: NDArray[np.int64]) -> tuple[float, float]:
    count = counts.sum()
    mean = counts @ values / count
    return float(mean), float(np.sqrt(counts @ (values - mean) ** 2 / count))


def _relations(parts: Sequence[_Part | None], centres: NDArray[np.float32]) -> NDArray[np.float64]:
    ratios: list[float] = []
    for part in parts:
        light = np.ones(3) if part is None else part.mean_light + BLACK
        ratios += [float(np.log(light[0] / light[1])), float(np.log(light[0] / light[2]))]
    means = [centres[slot] if part is None else part.mean_lab for slot, part in enumerate(parts)]
    return np.concatenate([ratios, np.diff(np.array(means, dtype=np.float64), axis=0).ravel()])


def _extents(
    picture: WorkingPicture, parts: Sequence[_Part | None], centres: NDArray[np.float32]
) -> NDArray[np.float64]:
    rows: list[float] = []
    for slot, part in enumerate(parts):
        if part is None:
            rows += [0.5, 0.5, 0.5, 0.5, *map(float, centres[slot]), *map(float, centres[slot])]
            continue
        for places, counts in ((picture.across, part.columns), (picture.down, part.rows)):
            rows += map(float, counted_percentiles(places, counts, (2, 98)))
        rows += map(float, percentiles(part.lab, (10, 90)).T.ravel())
    return np.array(rows)
