"""The codebook: what each region looks like over all training frames. It gives clusters their names."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilnsense.config import SegmentConfig
from kilnsense.errors import BundleError, InputError
from kilnsense.segment.histogram import histogram
from kilnsense.segment.identity import exposed, match
from kilnsense.segment.kmeans import lloyd, plus_plus
from kilnsense.segment.labels import nearest
from kilnsense.segment.space import Points, space_of
from kilnsense.types import Frame
from kilnsense.types.checks import expect, expect_array, expect_finite

_RESTARTS = 8
_ROUNDS = 8
_STARTS = 8  # frames whose own clusters are tried as a first codebook


@dataclass(frozen=True, eq=False)
class Codebook:
    """The global centres of the regions, darkest first.

    Attributes:
        names: k region names.
        centres: (k, 3) float32 CIE Lab (D65), in rising lightness.
        heights: (k,) float32, height in the picture, 0 top .. 1 bottom; zeros without a position channel.
    """

    names: tuple[str, ...]
    centres: Points
    heights: NDArray[np.float32]

    def __post_init__(self) -> None:
        slots = len(self.names)
        expect(slots >= 2, "Codebook.names", self.names, "two and more names")
        expect_array("Codebook.centres", self.centres, (slots, 3), np.float32)
        expect_finite("Codebook.centres", self.centres)
        expect_array("Codebook.heights", self.heights, (slots,), np.float32)
        expect_finite("Codebook.heights", self.heights)

    @cached_property
    def shown(self) -> Points:
        """(S, k, 3) the centres under each exposure that frames are tried with, see `identity.exposed`."""
        return exposed(self.centres)


def codebook_arrays(codebook: Codebook) -> dict[str, NDArray[np.float32]]:
    """The numbers of a codebook by name, for a file; the names of the regions are kept beside them."""
    return {"codebook.centres": codebook.centres, "codebook.heights": codebook.heights}


def codebook_from_arrays(arrays: Mapping[str, NDArray[Any]], names: tuple[str, ...]) -> Codebook:
    """The inverse of `codebook_arrays`.

    Raises:
        BundleError: an array is missing, or does not fit the names.
    """
    try:
        return Codebook(tuple(names), arrays["codebook.centres"], arrays["codebook.heights"])
    except KeyError as error:
        raise BundleError(
            f"codebook: the array {error.args[0]!r} is missing; save the bundle again"
        ) from error
    except InputError as error:
        raise BundleError(f"codebook: {error}; save the bundle again") from error


def judged_pixels(
    frame: Frame, mask: NDArray[np.bool_] | None
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The judged pixels (n, 3) uint8 row by row and their heights (n,) float32, 0 top .. 1 bottom.

    Raises:
        InputError: the mask has another shape than the frame.
    """
    height, width = frame.pixels.shape[:2]
    rows = np.broadcast_to((np.arange(height, dtype=np.float32)[:, None] + 0.5) / height, (height, width))
    if mask is None:
        return frame.pixels.reshape(-1, 3), rows.ravel()
    expect_array("mask", mask, (height, width), np.bool_)
    places = np.flatnonzero(mask)
    return frame.pixels.reshape(-1, 3).take(places, axis=0), rows[:, 0].take(places // width)


def learn_codebook(
    frames: Iterable[Frame],
    config: SegmentConfig,
    *,
    mask_of: Callable[[Frame], NDArray[np.bool_]] | None = None,
    rng: np.random.Generator,
) -> Codebook:
    """Learns the centres over all frames, each of which counts the same.

    Every frame is clustered by itself; then codebook and matching are improved in turn, the codebook being
    the median of the clusters matched to it. Pooling the colours of all frames instead would spend the slots
    on exposures and cameras.

    Args:
        frames: read once; only k colours of each are kept.
        config: names, space, position.
        mask_of: gives a frame's judged pixels, (H, W) bool; None: all of them.
        rng: for the restarts.

    Raises:
        InputError: there are no frames.
    """
    found = [_clusters(frame, config, mask_of(frame) if mask_of else None, rng) for frame in frames]
    if not found:
        raise InputError("learn_codebook: got no frames, allowed: one and more")
    centres = np.stack([part[0] for part in found])
    shares = np.stack([part[1] for part in found])
    first = rng.permutation(len(found))[:_STARTS]
    starts = [np.median(centres, axis=0), *centres[first]]
    fits = [_align(start.astype(np.float32), centres, shares) for start in starts]
    best, _ = min(fits, key=lambda fit: fit[1])
    best = best[np.argsort(best[:, 0], kind="stable")]
    weight = config.position_weight
    heights = best[:, 3] / weight if weight > 0 else np.zeros(len(best))
    return Codebook(config.names, best[:, :3].copy(), heights.astype(np.float32))


def _clusters(
    frame: Frame, config: SegmentConfig, mask: NDArray[np.bool_] | None, rng: np.random.Generator
) -> tuple[Points, NDArray[np.float64]]:
    """A frame's own clusters by rising lightness: Lab centres (and position), and their shares."""
    points = histogram(*judged_pixels(frame, mask), config)
    slots = len(config.names)
    seeds = plus_plus(points.points, points.weights, slots, restarts=_RESTARTS, rng=rng)
    runs, inertia = lloyd(points.points, points.weights, seeds)
    centres = runs[int(inertia.argmin())]
    label = nearest(points.points, centres)
    shares = np.bincount(label, weights=points.weights, minlength=slots) / points.weights.sum()
    centres = np.concatenate([space_of(config.space).to_lab(centres[:, :3]), centres[:, 3:]], axis=1)
    order = np.argsort(centres[:, 0], kind="stable")
    return centres[order], shares[order]


def _align(start: Points, centres: Points, shares: NDArray[np.float64]) -> tuple[Points, float]:
    """Matches all frames to a codebook and takes the median, in turn. Returns it and the mean cost."""
    book, cost = start, np.inf
    for _ in range(_ROUNDS):
        shown = exposed(book[:, :3])
        fits = [match(own[:, :3], share, shown) for own, share in zip(centres, shares, strict=True)]
        now = float(np.mean([fit[2] for fit in fits]))
        if now >= cost - 1e-6:
            break
        cost = now
        matched = np.stack([own[fit[0]] for own, fit in zip(centres, fits, strict=True)])
        book = np.median(matched, axis=0).astype(np.float32)
    return book, cost
