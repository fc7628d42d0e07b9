"""From cluster centres to a label for every pixel, exactly, without measuring most pixels.

A colour box that lies wholly on one side of every border between two centres gives all its pixels one label
by look-up. The pixels of the boxes that straddle a border are measured one by one.
"""

import numpy as np
from numpy.typing import NDArray

from kilnsense.segment.space import Points, box_balls, boxes_of, space_of

_BLOCK = 1 << 16
_UNDECIDED = -2


def nearest(points: Points, centres: Points) -> NDArray[np.int8]:
    """Index of the nearest centre, (n,) int8, for points (n, d) and centres (k, d), float32."""
    best = np.full(len(points), np.inf, np.float32)
    label = np.zeros(len(points), np.int8)
    for slot, centre in enumerate(centres):
        gap = points - centre
        distance = np.einsum("nd,nd->n", gap, gap)
        closer = distance < best
        label[closer] = slot
        np.minimum(best, distance, out=best)
    return label


def label_pixels(pixels: NDArray[np.uint8], centres: Points, *, space: str) -> NDArray[np.int8]:
    """The nearest centre of every pixel, (n,) int8.

    Args:
        pixels: (n, 3) uint8 sRGB. centres: (k, 3) float32 in the clustering space of that name.
    """
    table = _table(centres, space)
    convert = space_of(space).from_srgb
    labels = np.empty(len(pixels), np.int8)
    for start in range(0, len(pixels), _BLOCK):
        block = pixels[start : start + _BLOCK]
        part = table[boxes_of(block)]
        open_ones = np.flatnonzero(part == _UNDECIDED)
        if len(open_ones):
            part[open_ones] = nearest(convert(block[open_ones]), centres)
        labels[start : start + _BLOCK] = part
    return labels


def label_places(
    pixels: NDArray[np.uint8], heights: NDArray[np.float32], centres: Points, *, space: str
) -> NDArray[np.int8]:
    """As `label_pixels`, with a fourth coordinate per pixel, `heights` (n,), and centres (k, 4)."""
    convert = space_of(space).from_srgb
    labels = np.empty(len(pixels), np.int8)
    for start in range(0, len(pixels), _BLOCK):
        block = convert(pixels[start : start + _BLOCK])
        points = np.concatenate([block, heights[start : start + _BLOCK, None]], axis=1)
        labels[start : start + _BLOCK] = nearest(points, centres)
    return labels


def _table(centres: Points, space: str) -> NDArray[np.int8]:
    """Per colour box the label that all its colours share, or `_UNDECIDED`.

    With c_i the nearest centre to the ball's middle m, the ball lies on c_i's side of the border with c_j if
    |m - c_j|^2 - |m - c_i|^2 > 2 r |c_i - c_j|.
    """
    middle, radius = box_balls(space)
    squares = np.stack([((middle - centre) ** 2).sum(axis=1) for centre in centres])
    label = squares.argmin(axis=0)
    nearest_square = squares.min(axis=0)
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2).astype(np.float32)
    clear = np.ones(len(middle), bool)
    for slot in range(len(centres)):
        clear &= (squares[slot] - nearest_square > 2 * radius * apart[slot, label]) | (label == slot)
    return np.where(clear, label, _UNDECIDED).astype(np.int8)
