"""From cluster centres to a label for every pixel, exactly, without measuring most pixels.

A colour box that lies wholly on one side of every border between two centres gives all its pixels one label
by look-up. The pixels of the boxes that straddle a border are measured one by one.
"""

import numpy as np
from numpy.typing import NDArray

from kilnsense.segment.space import BOXES, Points, box_shapes, boxes_of, space_of

_BLOCK = 1 << 16
_UNDECIDED = -2
_HOLD = 0.8  # 0: a border in the middle, 1: a pixel leaves its region at the centre of the other only
_TIE = 4e-3  # squared distances nearer than this are equal in float32: the first centre wins everywhere


def nearest(points: Points, centres: Points) -> NDArray[np.int8]:
    """Index of the nearest centre, (n,) int8, for points (n, d) and centres (k, d), float32."""
    return _lowest(_scores(points, centres))


def _scores(points: Points, centres: Points) -> Points:
    """Squared distances less the squares of the points, (k, n): one row per centre is quick to compare."""
    squares = (centres * centres).sum(axis=1, keepdims=True)
    return np.asarray(squares - (2.0 * centres) @ points.T, np.float32)


def _lowest(scores: Points) -> NDArray[np.int8]:
    """Row of the lowest value in each column, (n,) int8; the first of those equal but for rounding."""
    label = np.zeros(scores.shape[1], np.int8)
    best = scores[0].copy()
    for slot in range(1, len(scores)):
        closer = scores[slot] < best - _TIE
        label[closer] = slot
        np.minimum(best, scores[slot], out=best)
    return label


def label_pixels(pixels: NDArray[np.uint8], centres: Points, *, space: str) -> NDArray[np.int8]:
    """The nearest centre of every pixel, (n,) int8.

    Args:
        pixels: (n, 3) uint8 sRGB. centres: (k, 3) float32 in the clustering space of that name.
    """
    boxes = boxes_of(pixels)
    full = np.flatnonzero(np.bincount(boxes, minlength=BOXES))
    table = np.empty(BOXES, np.int8)
    table[full] = _shared_labels(full, centres, space)
    labels = table.take(boxes)
    open_ones = np.flatnonzero(labels == _UNDECIDED)
    if len(open_ones):
        points = space_of(space).from_srgb(pixels.take(open_ones, axis=0))
        labels[open_ones] = nearest(points, centres)
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


def label_after(points: Points, before: NDArray[np.int8], centres: Points) -> NDArray[np.int8]:
    """As `nearest`, (n,) int8, but a pixel keeps the label that it had unless another is clearly nearer.

    The border to another centre lies at 90 % of the way to it instead of half way: what flickers about a
    border stays, what moves goes over.

    Args:
        points: (n, d) float32. before: (n,) labels in the frame before, -1 for none. centres: (k, d) float32.
    """
    scores = _scores(points, centres)
    label = _lowest(scores)
    changed = np.flatnonzero((label != before) & (before >= 0))
    last, fresh = before[changed], label[changed]
    apart = ((centres[:, None] - centres[None]) ** 2).sum(axis=2)
    lead = scores[last, changed] - scores[fresh, changed]
    held = lead < _HOLD * apart[last, fresh]
    label[changed[held]] = last[held]
    return label


def _shared_labels(boxes: NDArray[np.intp], centres: Points, space: str) -> NDArray[np.int8]:
    """Per colour box the label that all its colours share, or `_UNDECIDED`.

    With c_i the centre nearest to the middle m of a box, f(x) = |x - c_j|^2 - |x - c_i|^2 is linear, with the
    slope 2 (c_i - c_j), and positive where c_i is nearer. The box is c_i's own if f(m) exceeds what f
    can lose on the way to its farthest colour: first by the box's radius, where that fails by its edges.
    """
    shapes = box_shapes(space)
    scores = _scores(shapes.middle[boxes], centres)
    label = _lowest(scores)
    lead = scores - scores.min(axis=0)
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2).astype(np.float32)
    safe = lead > 2 * shapes.radius[boxes] * apart[:, label]
    slots = np.arange(len(centres))[:, None]
    rest = np.flatnonzero(~(safe | (slots == label)).all(axis=0))
    mine, lead = label[rest], lead[:, rest]
    reach = shapes.halves[boxes[rest]] @ centres.T
    own = np.take_along_axis(reach, mine.astype(np.intp)[:, None, None], axis=2)
    loss = 2 * np.abs(reach - own).sum(axis=1).T + 2 * shapes.slack[boxes[rest]] * apart[:, mine]
    clear = ((lead > loss) | (slots == mine)).all(axis=0)
    label[rest[~clear]] = _UNDECIDED
    return label
