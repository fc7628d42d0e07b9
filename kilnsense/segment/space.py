"""Where colours are clustered: CIE Lab, or sRGB with weights; and the colour boxes of the histogram.

A box holds the 8 x 8 x 8 sRGB colours that share the upper five bits of each channel; there are 32,768.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from kilnsense.image.colour import lab_to_srgb, srgb_to_lab
from kilnsense.parts import pick

BOXES = 1 << 15

_RGB_SCALE = (100.0 * np.sqrt(np.array([2.5, 4.0, 2.5]) / 9.0)).astype(np.float32)
"""The middle weights of the redmean colour difference, scaled so that black to white is 100."""

Points = NDArray[np.float32]


@dataclass(frozen=True)
class Space:
    """A clustering space: maps from sRGB, to Lab and from Lab, rows of three float32 each."""

    from_srgb: Callable[[NDArray[np.uint8] | Points], Points]
    to_lab: Callable[[Points], Points]
    from_lab: Callable[[Points], Points]


def _weighted(pixels: NDArray[np.uint8] | Points) -> Points:
    scale = _RGB_SCALE / np.float32(255.0) if pixels.dtype == np.uint8 else _RGB_SCALE
    return np.asarray(pixels * scale, np.float32)


def _unweighted_to_lab(points: Points) -> Points:
    return srgb_to_lab(np.asarray(points / _RGB_SCALE, np.float32))


def _lab_to_weighted(lab: Points) -> Points:
    return _weighted(lab_to_srgb(lab))


def _same(points: Points) -> Points:
    return points


SPACES = {
    "lab": Space(srgb_to_lab, _same, _same),
    "weighted_rgb": Space(_weighted, _unweighted_to_lab, _lab_to_weighted),
}
"""Name in the config -> clustering space."""


def space_of(name: str) -> Space:
    """The space of that name. Raises ConfigError for an unknown one."""
    return pick(SPACES, name, kind="segment.space")


def boxes_of(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """The histogram box of each colour: (n, 3) uint8 sRGB -> (n,) uint16 0..32767."""
    red, green, blue = cv2.split(np.ascontiguousarray(pixels).reshape(-1, 1, 3))
    upper = np.uint8(0xF8)
    box = np.left_shift(np.bitwise_and(red, upper), 7, dtype=np.uint16)
    box |= np.left_shift(np.bitwise_and(green, upper), 2, dtype=np.uint16)
    box |= np.right_shift(blue, 3)
    return np.asarray(box.ravel(), np.uint16)


@dataclass(frozen=True, eq=False)
class BoxShapes:
    """Where the colours of each box lie in a clustering space, all float32.

    Attributes:
        middle: (32768, 3) middle of the box.
        radius: (32768,) no colour of the box is farther from the middle.
        halves: (32768, 3, 3) half edges along R, G and B: the box is about the middle plus and minus these.
        slack: (32768,) how far its colours may lie outside that parallelepiped, since the space is curved.
    """

    middle: Points
    radius: Points
    halves: Points
    slack: Points


@lru_cache(maxsize=4)
def box_shapes(name: str) -> BoxShapes:
    """The shapes of all boxes in the space of that name, measured at the corners of each."""
    space = space_of(name)
    low = np.stack(np.unravel_index(np.arange(BOXES), (32, 32, 32)), axis=1) * 8
    signs = np.array(list(itertools.product((-1, 1), repeat=3)), np.float32)
    corners = np.stack([space.from_srgb((low + (sign > 0) * 7).astype(np.uint8)) for sign in signs], axis=1)
    middle = corners.mean(axis=1)
    halves = np.einsum("cs,bcd->bsd", signs, corners) / 8
    flat = middle[:, None] + np.einsum("cs,bsd->bcd", signs, halves)
    off = np.linalg.norm(corners - flat, axis=2).max(axis=1)
    radius = np.linalg.norm(corners - middle[:, None], axis=2).max(axis=1)
    return BoxShapes(
        middle=np.asarray(middle, np.float32),
        radius=np.asarray(radius + 0.25 * off + 0.01, np.float32),
        halves=np.asarray(halves, np.float32),
        slack=np.asarray(1.25 * off + 0.01, np.float32),
    )
