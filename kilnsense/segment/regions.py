"""The colour regions of a frame: k-means seeded and named by the codebook."""

import cv2
import numpy as np
from numpy.typing import NDArray

from kilnsense.config import SegmentConfig
from kilnsense.errors import InputError
from kilnsense.image.colour import srgb_to_lab
from kilnsense.segment.codebook import Codebook, judged_pixels
from kilnsense.segment.histogram import Histogram, histogram
from kilnsense.segment.identity import likely_stop, match
from kilnsense.segment.kmeans import lloyd, plus_plus
from kilnsense.segment.labels import label_after, label_pixels, label_places, nearest
from kilnsense.segment.space import Points, space_of
from kilnsense.types import Frame, Region, Segmentation

_SEED = 20_259  # of the restarts: the same frame and codebook must always give the same regions
_WORTH_IT = 0.99  # a restart replaces the codebook's own optimum where it lowers the inertia by 1 %
_STILL_GOOD = 1.05  # an optimum with absent regions stands if no other of as many clusters is 5 % better


def segment(
    frame: Frame,
    codebook: Codebook,
    config: SegmentConfig,
    *,
    mask: NDArray[np.bool_] | None = None,
    previous: Segmentation | None = None,
) -> Segmentation:
    """Splits a frame into named colour regions. Deterministic: the same inputs give the same labels.

    Args:
        frame: the picture.
        codebook: seeds the clusters and names them.
        config: space, position channel, restarts, minimum area; as when the codebook was learned.
        mask: (H, W) True where a pixel is judged; None: everywhere. The others get the label -1.
        previous: the segmentation of the frame before on video: one more start, and a pixel near a border
            between two regions stays in the one that it was in.

    Raises:
        InputError: the mask does not fit the frame or leaves no pixel, or `previous` is of another size or
            has other names.
    """
    if previous is not None:
        _check_previous(previous, frame, codebook)
    pixels, heights = judged_pixels(frame, mask)
    points = histogram(pixels, heights, config)
    centres, inertia = _fit(points, codebook, config, previous)
    before = None
    if previous is not None:
        before = previous.labels.ravel() if mask is None else previous.labels[mask]
    flat = _label(pixels, heights, centres, config, before)
    shape = frame.pixels.shape[:2]
    labels = flat.reshape(shape) if mask is None else np.full(shape, -1, np.int8)
    if mask is not None:
        labels[mask] = flat
    return Segmentation(labels, space_of(config.space).to_lab(centres[:, :3]), codebook.names, inertia)


def regions(frame: Frame, segmentation: Segmentation, *, min_area: float) -> tuple[Region, ...]:
    """What each region of the codebook looks like in the frame: one entry per name, in codebook order.

    Args:
        frame, segmentation: of the same size.
        min_area: share of the judged pixels below which a region is absent.

    Raises:
        InputError: the two do not have the same size.
    """
    labels = segmentation.labels
    if labels.shape != frame.pixels.shape[:2]:
        raise InputError(f"regions: got labels {labels.shape} for a frame {frame.pixels.shape[:2]}")
    lab = srgb_to_lab(frame.pixels)
    judged = max(int(np.count_nonzero(labels >= 0)), 1)
    return tuple(
        _region(name, (labels == slot).view(np.uint8), lab, judged, min_area)
        for slot, name in enumerate(segmentation.names)
    )


def _region(
    name: str, inside: NDArray[np.uint8], lab: NDArray[np.float32], judged: int, min_area: float
) -> Region:
    height, width = inside.shape
    count = cv2.countNonZero(inside)
    if count == 0 or count / judged < min_area:
        return Region(name, present=False, area=0.0)
    mean, spread = cv2.meanStdDev(lab, mask=inside)
    rows = np.asarray(cv2.reduce(inside, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S), np.int64).ravel()
    columns = np.asarray(cv2.reduce(inside, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S), np.int64).ravel()
    down, across = np.flatnonzero(rows), np.flatnonzero(columns)
    return Region(
        name=name,
        present=True,
        area=count / judged,
        mean_lab=(float(mean[0, 0]), float(mean[1, 0]), float(mean[2, 0])),
        spread_lab=(float(spread[0, 0]), float(spread[1, 0]), float(spread[2, 0])),
        box=(
            float(across[0] / width),
            float(down[0] / height),
            float((across[-1] + 1) / width),
            float((down[-1] + 1) / height),
        ),
        centroid=(
            float((columns @ (np.arange(width) + 0.5)) / count / width),
            float((rows @ (np.arange(height) + 0.5)) / count / height),
        ),
    )


def _label(
    pixels: NDArray[np.uint8],
    heights: NDArray[np.float32],
    centres: Points,
    config: SegmentConfig,
    before: NDArray[np.int8] | None,
) -> NDArray[np.int8]:
    weight = np.float32(config.position_weight)
    if before is None and weight == 0:
        return label_pixels(pixels, centres, space=config.space)
    if before is None:
        return label_places(pixels, heights * weight, centres, space=config.space)
    points = space_of(config.space).from_srgb(pixels)
    if weight > 0:
        points = np.concatenate([points, (heights * weight)[:, None]], axis=1)
    return label_after(points, before, centres)


def _check_previous(previous: Segmentation, frame: Frame, codebook: Codebook) -> None:
    if previous.labels.shape != frame.pixels.shape[:2] or previous.names != codebook.names:
        raise InputError(
            f"segment: previous is {previous.labels.shape} with the names {', '.join(previous.names)}, "
            f"the frame {frame.pixels.shape[:2]} with {', '.join(codebook.names)}; "
            "pass the frame before of the same camera, or none"
        )


def _fit(
    points: Histogram, codebook: Codebook, config: SegmentConfig, previous: Segmentation | None
) -> tuple[Points, float]:
    """The frame's centres in the clustering space, slot by slot, and the inertia."""
    space = space_of(config.space)
    shown = codebook.shown
    lab = space.to_lab(points.points[:, :3])
    seeds = [shown[likely_stop(lab, points.weights, shown)]]
    if previous is not None:
        seeds.append(previous.centres)
    places = (codebook.heights * config.position_weight)[:, None] if config.position_weight > 0 else None
    starts = np.stack([_seed(space.from_lab(seed), places) for seed in seeds])
    rng = np.random.default_rng(_SEED)
    slots = len(codebook.names)
    others = plus_plus(points.points, points.weights, slots, restarts=config.restarts, rng=rng)
    runs, inertia = lloyd(points.points, points.weights, np.concatenate([starts, others]))
    chosen = int(inertia[: len(starts)].argmin())
    if inertia.min() < _WORTH_IT * inertia[chosen] and not _absence(
        points, runs[chosen], config, inertia[chosen]
    ):
        chosen = int(inertia.argmin())
    centres = runs[chosen]
    order, _, _ = match(space.to_lab(centres[:, :3]), _shares(points, centres), shown)
    return centres[order], float(inertia[chosen] + points.within)


def _seed(centres: Points, places: NDArray[np.float32] | None) -> Points:
    return centres if places is None else np.concatenate([centres, places.astype(np.float32)], axis=1)


def _shares(points: Histogram, centres: Points) -> NDArray[np.float64]:
    label = nearest(points.points, centres)
    mass = np.bincount(label, weights=points.weights, minlength=len(centres))
    return np.asarray(mass / points.weights.sum(), np.float64)


def _absence(points: Histogram, centres: Points, config: SegmentConfig, inertia: float) -> bool:
    """True where the codebook's optimum leaves slots empty and is a good one of the clusters that it uses.

    Splitting a region in two always lowers the inertia; when the flame is out, it must not become a name.
    """
    used = int((_shares(points, centres) >= config.min_area).sum())
    if used == len(centres) or used == 0:
        return False
    rng = np.random.default_rng(_SEED)
    seeds = plus_plus(points.points, points.weights, used, restarts=max(config.restarts, 1), rng=rng)
    _, best = lloyd(points.points, points.weights, seeds)
    return bool(inertia <= _STILL_GOOD * best.min() + 1e-6)
