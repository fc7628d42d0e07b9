"""What the branches see of a frame: crops of its regions, or one picture that all branches share.

A view is named ``region:<name>`` (a colour region) or ``scale:<fraction>`` (a window with this share of the
width and height of the region of interest, centred on it: the growing receptive field). The region of
interest is the bounding box of the pixels whose label is not -1.

No torch here: this is on the way of every label.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import InputError
from kilnsense.types import Frame, Segmentation, Views

NEUTRAL = 128
"""8-bit value of all channels where a view shows nothing: the middle of the range, 0 after normalisation."""

POOLED_ASPECT = 1.5
"""Width over height of a pooled picture, before rounding up to a multiple of 16."""

_PALETTE_PIXELS = 4096  # beyond, a palette of a region no longer changes visibly

Palette = Callable[[NDArray[np.uint8], int], NDArray[np.float32]]
"""(n, 3) uint8 sRGB pixels and a number p -> (p, 3) float32 CIE Lab, lightest first."""

_Box = tuple[slice, slice]
_Number = TypeVar("_Number", np.uint8, np.float32)


@dataclass(frozen=True)
class ViewPlan:
    """What the branches see.

    Attributes:
        names: the V views.
        mode: "crop" or "pooled", see `make_views`.
        size: side of a crop, or height of the pooled picture, in pixels.
        colours: p, the number of palette colours; 0 for none.
        min_area: share of the judged pixels below which a region is absent; 0..1.
    """

    names: tuple[str, ...]
    mode: str
    size: int
    colours: int
    min_area: float

    def __post_init__(self) -> None:
        if self.mode not in ("crop", "pooled"):
            raise InputError(f"views: mode: got {self.mode!r}, allowed: crop, pooled")


def make_views(
    frames: Sequence[Frame], segmentations: Sequence[Segmentation], plan: ViewPlan, *, palette: Palette
) -> Views:
    """What V branches see of N frames.

    Mode ``crop``: one picture of size x size per view, the region's bounding box (or the window) with its
    aspect kept, centred; pixels that do not belong to the view are `NEUTRAL`. Mode ``pooled``: one picture
    per frame, the region of interest scaled to `pooled_shape(size)` whatever its aspect, so that the shape
    depends on the configuration alone; pixels outside the region of interest are `NEUTRAL`. Masks hold, per
    pixel of the picture, the share that belongs to the view.

    Args:
        frames: N frames; their sizes may differ.
        segmentations: N segmentations of the same sizes.
        plan: the views and their shape.
        palette: gives the palette of some pixels (at most 4096, evenly picked from the view); not called
            where the plan wants no colours.

    Returns:
        Views; an absent region has a zero mask, neutral pixels (crop) and a zero palette.

    Raises:
        InputError: lengths or sizes differ, or a view names no region.
    """
    if len(frames) != len(segmentations):
        raise InputError(
            f"views: got {len(frames)} frames and {len(segmentations)} segmentations, want as many"
        )
    pooled, count = plan.mode == "pooled", len(plan.names)
    height, width = pooled_shape(plan.size) if pooled else (plan.size, plan.size)
    pixels = np.full((len(frames), 1 if pooled else count, height, width, 3), NEUTRAL, np.uint8)
    masks = np.zeros((len(frames), count, height, width), np.float32)
    palettes = np.zeros((len(frames), count, plan.colours, 3), np.float32)
    present = np.zeros((len(frames), count), np.bool_)
    for n, (frame, segmentation) in enumerate(zip(frames, segmentations, strict=True)):
        roi = _roi_box(frame, segmentation)
        if roi is None:
            continue
        members = [_members(segmentation, name, roi=roi, min_area=plan.min_area) for name in plan.names]
        if pooled:
            judged = segmentation.labels[roi] >= 0
            pixels[n, 0] = _resize(_neutralise(frame.pixels[roi], judged), height, width)
        for v, member in enumerate(members):
            if member is None:
                continue
            present[n, v] = True
            shown = frame.pixels[roi]
            if plan.colours:
                palettes[n, v] = palette(_spread_pixels(shown, member), plan.colours)
            if pooled:
                masks[n, v] = _resize(member.astype(np.float32), height, width)
            else:
                _paste_crop(shown, member, pixels[n, v], masks[n, v])
    return Views(plan.names, pixels, masks, palettes, present)


def pooled_shape(size: int) -> tuple[int, int]:
    """(height, width) of the pooled picture: `size` and `POOLED_ASPECT` times it, up to a multiple of 16."""
    return size, -(-round(size * POOLED_ASPECT) // 16) * 16


def _roi_box(frame: Frame, segmentation: Segmentation) -> _Box | None:
    """The bounding box of the judged pixels; None where there are none."""
    if segmentation.labels.shape != frame.pixels.shape[:2]:
        raise InputError(
            f"views: {frame.source or 'frame'}: label map of shape {segmentation.labels.shape} for a picture "
            f"of shape {frame.pixels.shape[:2]}; segment the frame that is viewed"
        )
    return _bounding_box(segmentation.labels >= 0)


def _bounding_box(mask: NDArray[np.bool_]) -> _Box | None:
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return (slice(top, top + height), slice(left, left + width)) if width and height else None


def _members(
    segmentation: Segmentation, name: str, *, roi: _Box, min_area: float
) -> NDArray[np.bool_] | None:
    """The pixels of the region of interest that belong to the view, (h, w) bool; None where it is absent."""
    labels = segmentation.labels[roi]
    judged = labels >= 0
    kind, _, rest = name.partition(":")
    if kind == "scale":
        member = judged & _window(labels.shape, _fraction(name, rest))
        return member if member.any() else None
    if kind != "region" or rest not in segmentation.names:
        regions = ", ".join(f"region:{region}" for region in segmentation.names)
        raise InputError(f"views: got {name!r}, allowed: {regions}, scale:<fraction>")
    member = labels == segmentation.names.index(rest)
    count = int(np.count_nonzero(member))
    return member if count and count >= min_area * np.count_nonzero(judged) else None


def _fraction(name: str, text: str) -> float:
    try:
        fraction = float(text)
    except ValueError:
        fraction = 0.0
    if not 0.0 < fraction <= 1.0:
        raise InputError(f"views: got {name!r}, allowed: a fraction above 0 and up to 1, as scale:0.5")
    return fraction


def _window(shape: tuple[int, ...], fraction: float) -> NDArray[np.bool_]:
    window = np.zeros(shape, np.bool_)
    top, left = (round(side * (1 - fraction) / 2) for side in shape)
    # At least one pixel, however small the window.
    window[top : max(top + 1, shape[0] - top), left : max(left + 1, shape[1] - left)] = True
    return window


def _neutralise(pixels: NDArray[np.uint8], kept: NDArray[np.bool_]) -> NDArray[np.uint8]:
    result = np.full(pixels.shape, NEUTRAL, np.uint8)
    cv2.copyTo(np.ascontiguousarray(pixels), np.ascontiguousarray(kept).view(np.uint8), result)
    return result


def _resize(picture: NDArray[_Number], height: int, width: int) -> NDArray[_Number]:
    """Area average where the picture shrinks, linear where it grows."""
    shrinks = picture.shape[0] >= height and picture.shape[1] >= width
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=way)
    return resized.astype(picture.dtype, copy=False)


def _paste_crop(
    pixels: NDArray[np.uint8],
    member: NDArray[np.bool_],
    picture: NDArray[np.uint8],
    mask: NDArray[np.float32],
) -> None:
    """Fits the bounding box of `member` into the square `picture` and `mask`, which are changed in place."""
    box = _bounding_box(member)
    if box is None:
        return
    size = mask.shape[0]
    kept = member[box]
    scale = size / max(kept.shape)
    height, width = (max(1, min(size, round(side * scale))) for side in kept.shape)
    top, left = (size - height) // 2, (size - width) // 2
    target = (slice(top, top + height), slice(left, left + width))
    picture[target] = _resize(_neutralise(pixels[box], kept), height, width)
    mask[target] = _resize(kept.astype(np.float32), height, width)


def _spread_pixels(pixels: NDArray[np.uint8], member: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """At most `_PALETTE_PIXELS` of the chosen pixels, (n, 3), evenly picked."""
    chosen = np.flatnonzero(member)
    chosen = chosen[:: -(-len(chosen) // _PALETTE_PIXELS)]
    picked: NDArray[np.uint8] = pixels[chosen // member.shape[1], chosen % member.shape[1]]
    return picked
