"""Weighted k-means on few points, all restarts at once.

The points are the occupied boxes of a colour histogram (hundreds to a few thousand), so restarts are nearly
free, and restarts are what finds the good optimum. Lloyd 1982; k-means++ seeds: Arthur, Vassilvitskii 2007.
"""

import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import InputError

Points = NDArray[np.float32]
_STILL = 1e-3


def plus_plus(
    points: Points, weights: NDArray[np.float64], clusters: int, *, restarts: int, rng: np.random.Generator
) -> Points:
    """k-means++ seeds, (restarts, clusters, d) float32.

    Args:
        points: (n, d) float32. weights: (n,) positive. Fewer points than clusters repeat points.
    """
    chosen = np.empty((restarts, clusters, points.shape[1]), np.float32)
    if not restarts:
        return chosen
    gap = np.full((restarts, len(points)), 1.0)
    for slot in range(clusters):
        mass = np.cumsum(gap * weights, axis=1)
        spent = mass[:, -1] <= 0  # every point is a seed already: any of them will do
        mass[spent] = np.cumsum(weights)
        target = rng.random(restarts) * mass[:, -1]
        picked = np.minimum((mass <= target[:, None]).sum(axis=1), len(points) - 1)
        chosen[:, slot] = points[picked]
        fresh = ((points[None] - chosen[:, slot, None]) ** 2).sum(axis=2)
        gap = fresh.astype(np.float64) if slot == 0 else np.minimum(gap, fresh)
    return chosen


def lloyd(
    points: Points, weights: NDArray[np.float64], seeds: Points, *, iterations: int = 40
) -> tuple[Points, NDArray[np.float64]]:
    """Lloyd's iterations for R restarts at once.

    A cluster that no point is nearest to keeps its centre.

    Args:
        points: (n, d) float32. weights: (n,) positive. seeds: (R, k, d) float32.

    Returns:
        The centres (R, k, d) float32, and per restart the weighted mean squared distance to them (R,).

    Raises:
        InputError: there are no points, or the shapes do not fit.
    """
    if not len(points) or points.shape != (len(weights), seeds.shape[2]):
        raise InputError(f"lloyd: got points {points.shape}, weights {weights.shape}, seeds {seeds.shape}")
    restarts, clusters, dims = seeds.shape
    middle = points.mean(axis=0)  # small numbers keep float32 exact enough
    centred = points - middle
    centres = (seeds - middle).astype(np.float32)
    share = (weights / weights.sum()).astype(np.float32)
    loads = np.concatenate([centred * share[:, None], share[:, None]], axis=1)
    squares = float((centred.astype(np.float64) ** 2).sum(axis=1) @ share)
    slots = np.arange(clusters)
    for _ in range(iterations):
        cost = _costs(centred, centres)
        member = (cost.argmin(axis=2)[:, :, None] == slots).astype(np.float32)
        sums = (member.reshape(len(points), -1).T @ loads).reshape(restarts, clusters, dims + 1)
        mass = sums[:, :, dims:]
        moved = np.where(mass > 0, sums[:, :, :dims] / np.maximum(mass, 1e-30), centres).astype(np.float32)
        shift = np.abs(moved - centres).max()
        centres = moved
        if shift < _STILL:
            break
    inertia = squares + share.astype(np.float64) @ _costs(centred, centres).min(axis=2).astype(np.float64)
    return np.asarray(centres + middle, np.float32), np.maximum(inertia, 0.0)


def _costs(points: Points, centres: Points) -> Points:
    """Squared distance less the square of the point, (n, R, k): all that a comparison needs."""
    restarts, clusters, dims = centres.shape
    flat = centres.reshape(-1, dims)
    cost = (flat**2).sum(axis=1) - 2.0 * (points @ flat.T)
    return np.asarray(cost.reshape(len(points), restarts, clusters), np.float32)
