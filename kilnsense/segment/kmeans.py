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
    columns = np.ascontiguousarray(points.T)
    for slot in range(clusters):
        mass = np.cumsum(gap * weights, axis=1)
        spent = mass[:, -1] <= 0  # every point is a seed already: any of them will do
        mass[spent] = np.cumsum(weights)
        target = rng.random(restarts) * mass[:, -1]
        picked = np.minimum((mass <= target[:, None]).sum(axis=1), len(points) - 1)
        chosen[:, slot] = points[picked]
        fresh = ((columns[:, None] - chosen[:, slot].T[:, :, None]) ** 2).sum(axis=0)
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
    for _ in range(iterations):
        member = _members(_costs(centred, centres))
        sums = (member.reshape(-1, len(points)) @ loads).reshape(restarts, clusters, dims + 1)
        mass = sums[:, :, dims:]
        moved = np.where(mass > 0, sums[:, :, :dims] / np.maximum(mass, 1e-30), centres).astype(np.float32)
        shift = np.abs(moved - centres).max()
        centres = moved
        if shift < _STILL:
            break
    inertia = squares + _costs(centred, centres).min(axis=1).astype(np.float64) @ share.astype(np.float64)
    return np.asarray(centres + middle, np.float32), np.maximum(inertia, 0.0)


def _costs(points: Points, centres: Points) -> Points:
    """Squared distance less the square of the point, (R, k, n): all that a comparison needs."""
    restarts, clusters, dims = centres.shape
    flat = centres.reshape(-1, dims)
    cost = (flat**2).sum(axis=1, keepdims=True) - 2.0 * (flat @ points.T)
    return np.asarray(cost.reshape(restarts, clusters, len(points)), np.float32)


def _members(costs: Points) -> Points:
    """1.0 for the cluster of least cost of every point, the first of equals, else 0.0: (R, k, n)."""
    best, label = costs[:, 0], np.zeros((len(costs), costs.shape[2]), np.int8)
    for slot in range(1, costs.shape[1]):
        label = np.where(costs[:, slot] < best, np.int8(slot), label)
        best = np.minimum(best, costs[:, slot])
    slots = np.arange(costs.shape[1], dtype=np.int8)[:, None]
    return np.asarray(label[:, None] == slots, np.float32)
