"""A picture with its regions drawn in, named in place or in a legend below, for people to check."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from kilnsense.errors import InputError
from kilnsense.image.colour import lab_to_srgb
from kilnsense.types import Frame, Region, Segmentation

TINTS = (
    (86, 180, 233),
    (230, 70, 160),
    (0, 200, 120),
    (240, 228, 66),
    (0, 114, 240),
    (213, 94, 0),
    (204, 121, 230),
    (255, 255, 255),
)
"""Tint per slot, sRGB: told apart on orange light and by colour-blind eyes; they repeat after eight."""

_LEAST_WIDTH = 480
_TINT_SHARE = 0.22
_PAPER, _INK, _FAINT = (24, 24, 26), (240, 240, 240), (150, 150, 155)

Canvas = NDArray[np.uint8]


def overlay(frame: Frame, segmentation: Segmentation, regions: Sequence[Region]) -> Canvas:
    """The frame with tinted, outlined regions and a legend of name, share and mean colour.

    A frame narrower than 480 pixels is enlarged by a whole factor, so that the legend can be read.

    Args:
        frame, segmentation: of the same size.
        regions: one per name, as from `kilnsense.segment.regions.regions`.

    Returns:
        (H', W', 3) uint8 sRGB, R, G, B.

    Raises:
        InputError: the sizes do not agree, or there are not as many regions as names.
    """
    picture = _drawn(frame, segmentation, regions)
    return np.concatenate([picture, _legend(picture.shape[1], regions)], axis=0)


def named_overlay(frame: Frame, segmentation: Segmentation, regions: Sequence[Region]) -> Canvas:
    """As `overlay`, without a legend: the name of each region stands in its thickest part."""
    picture = _drawn(frame, segmentation, regions)
    labels = cv2.resize(
        segmentation.labels.astype(np.uint8), picture.shape[1::-1], interpolation=cv2.INTER_NEAREST
    )
    image = Image.fromarray(picture)
    draw, size = ImageDraw.Draw(image), max(16, round(picture.shape[1] / 24))
    for slot, region in enumerate(regions):
        if region.present:
            # A border of zeros keeps the name off the edge of the picture.
            inside = np.pad((labels == slot).astype(np.uint8), 1)
            depth = cv2.distanceTransform(inside, cv2.DIST_L2, 5)[1:-1, 1:-1]
            y, x = np.unravel_index(int(depth.argmax()), depth.shape)
            font = ImageFont.load_default(size)
            half = font.getlength(region.name) / 2 + 4
            place = (min(max(float(x), half), image.width - half), float(y))
            draw.text(
                place, region.name, fill=_INK, font=font, anchor="mm", stroke_width=3, stroke_fill=_PAPER
            )
    return np.asarray(image, np.uint8)


def _drawn(frame: Frame, segmentation: Segmentation, regions: Sequence[Region]) -> Canvas:
    if segmentation.labels.shape != frame.pixels.shape[:2] or len(regions) != len(segmentation.names):
        raise InputError(
            f"overlay: got labels {segmentation.labels.shape} and {len(regions)} regions for a frame "
            f"{frame.pixels.shape[:2]} and {len(segmentation.names)} names; pass what belongs together"
        )
    factor = -(-_LEAST_WIDTH // frame.pixels.shape[1])
    picture = np.repeat(np.repeat(frame.pixels, factor, axis=0), factor, axis=1)
    labels = np.repeat(np.repeat(segmentation.labels, factor, axis=0), factor, axis=1)
    for slot, region in enumerate(regions):
        if region.present:
            _tint(picture, labels == slot, TINTS[slot % len(TINTS)])
    for slot, region in enumerate(regions):
        if slot and region.present:
            _outline(picture, labels >= slot, TINTS[slot % len(TINTS)])
    return picture


def _tint(picture: Canvas, inside: NDArray[np.bool_], tint: tuple[int, int, int]) -> None:
    mixed = (1 - _TINT_SHARE) * picture[inside] + _TINT_SHARE * np.array(tint)
    picture[inside] = np.rint(mixed).astype(np.uint8)


def _outline(picture: Canvas, inside: NDArray[np.bool_], tint: tuple[int, int, int]) -> None:
    """Draws where a region and all lighter ones end: each border once, dark below bright to show anywhere."""
    width = picture.shape[1]
    thickness = max(1, round(width / 640))
    smooth = cv2.medianBlur(inside.astype(np.uint8), 2 * (width // 240) + 3)
    rim = 4 * thickness  # the picture's own edge is no border: let the lines run outside
    wider = cv2.copyMakeBorder(smooth, rim, rim, rim, rim, cv2.BORDER_REPLICATE)
    outlines, _ = cv2.findContours(wider, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE, offset=(-rim, -rim))
    least = (width / 40) ** 2  # specks would bury the picture in lines
    drawn = [line for line in outlines if cv2.contourArea(line) >= least]
    cv2.drawContours(picture, drawn, -1, (0, 0, 0), thickness + 2)
    cv2.drawContours(picture, drawn, -1, tint, thickness)


def _legend(width: int, regions: Sequence[Region]) -> Canvas:
    size = max(13, round(width / 44))
    font = ImageFont.load_default(size)
    texts = [f"{region.name}  {_share(region)}" for region in regions]
    cell = round(max(font.getlength(text) for text in texts) + 4.2 * size)
    rows = -(-len(regions) // max(1, min(len(regions), width // cell)))
    columns = -(-len(regions) // rows)  # rows of equal length
    line = 2 * size
    strip = Image.new("RGB", (width, rows * line + size), _PAPER)
    draw = ImageDraw.Draw(strip)
    for slot, (region, text) in enumerate(zip(regions, texts, strict=True)):
        x, y = slot % columns * (width // columns) + size // 2, slot // columns * line + size // 2
        tint = TINTS[slot % len(TINTS)]
        colour = _mean_colour(region) if region.present else _PAPER
        box = (x, y + size // 3, x + 2 * size, y + size // 3 + size)
        draw.rectangle(box, fill=colour, outline=tint, width=max(2, size // 5))
        ink = _INK if region.present else _FAINT
        draw.text((x + 2.6 * size, y + size // 3 + size / 2), text, fill=ink, font=font, anchor="lm")
    return np.asarray(strip, np.uint8)


def _share(region: Region) -> str:
    return f"{100 * region.area:.1f} %" if region.present else "absent"


def _mean_colour(region: Region) -> tuple[int, int, int]:
    red, green, blue = np.rint(255 * lab_to_srgb(np.array(region.mean_lab, np.float32))).astype(int).tolist()
    return red, green, blue
