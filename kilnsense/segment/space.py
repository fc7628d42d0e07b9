"""Where colours are clustered: CIE Lab, or sRGB with weights; and the colour boxes of the histogram.

A box holds the 8 x 8 x 8 sRGB colours that share the upper five bits of each channel; there are 32,768.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

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


def boxes_of(pixels: NDArray[np.uint8]) -> NDArray[np.intp]:
    """The histogram box of each colour: (n, 3) uint8 sRGB -> (n,) 0..32767."""
    high = (pixels >> 3).astype(np.intp)
    return np.asarray((high[:, 0] << 10) + (high[:, 1] << 5) + high[:, 2], np.intp)


@lru_cache(maxsize=4)
def box_balls(name: str) -> tuple[Points, Points]:
    """For each box a ball that holds all its colours in a space: centres (32768, 3) and radii (32768,).

    The radius is that of the corners, the farthest points of so small a box, and a little more.
    """
    space = space_of(name)
    high = np.stack(np.unravel_index(np.arange(BOXES), (32, 32, 32)), axis=1) * 8
    low, top = space.from_srgb(high.astype(np.uint8)), space.from_srgb((high + 7).astype(np.uint8))
    centre = np.asarray((low + top) / 2, np.float32)
    radius = np.zeros(BOXES, np.float32)
    for corner in range(8):
        shift = 7 * np.array([corner & 1, corner >> 1 & 1, corner >> 2])
        colours = space.from_srgb((high + shift).astype(np.uint8))
        radius = np.maximum(radius, np.linalg.norm(colours - centre, axis=1))
    return centre, np.asarray(radius * 1.02 + 0.01, np.float32)
