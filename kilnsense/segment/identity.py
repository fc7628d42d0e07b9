"""Which cluster of a frame is which region: one-to-one matching that survives a change of exposure.

A camera that opens by s stops multiplies linear light by 2^s. So the codebook is shown under a range of
exposures, the one that explains the frame best is taken (large changes cost something), and the clusters are
matched to the codebook as it would look then. A cast over the whole picture (white balance, infrared) is
taken out of a and b before they are compared, and lightness counts more than they do.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from kilnsense.image.colour import lab_to_srgb, linear_to_srgb, srgb_to_lab, srgb_to_linear

Points = NDArray[np.float32]

STOPS = np.arange(-2.5, 2.51, 0.25)
"""Exposures under which the codebook is tried, in photographic stops."""

_STOP_COST = 12.0  # squared Lab units per squared stop
_CHROMA_WEIGHT = 0.25
_LEAST_SHARE = 0.02  # a cluster counts at least as much as one of this share


def exposed(centres: Points) -> Points:
    """The centres (k, 3) CIE Lab under each exposure of `STOPS`, (S, k, 3) float32 Lab."""
    light = srgb_to_linear(lab_to_srgb(centres))
    gains = 2.0 ** STOPS[:, None, None]
    return srgb_to_lab(linear_to_srgb((light[None] * gains).astype(np.float32)))


def match(centres: Points, shares: NDArray[np.float64], shown: Points) -> tuple[NDArray[np.intp], int, float]:
    """Matches clusters to codebook slots.

    Args:
        centres: (k, 3) float32 Lab of a frame's clusters.
        shares: (k,) share of the pixels in each, 0..1.
        shown: the codebook under each exposure, as of `exposed`.

    Returns:
        For each slot its cluster (k,), the index of the exposure, and the cost.
    """
    cost = _costs(centres, shares, shown)
    stop = int((cost.min(axis=2).sum(axis=1) + _STOP_COST * STOPS**2).argmin())
    clusters, slots = linear_sum_assignment(cost[stop])
    order = np.empty(len(centres), np.intp)
    order[slots] = clusters
    return order, stop, float(cost[stop][clusters, slots].sum())


def _costs(centres: Points, shares: NDArray[np.float64], shown: Points) -> NDArray[np.float64]:
    """(S, k clusters, k slots)."""
    lightness = (centres[None, :, None, 0] - shown[:, None, :, 0]) ** 2
    ours = centres[:, 1:] - centres[:, 1:].mean(axis=0)
    theirs = shown[:, :, 1:] - shown[:, :, 1:].mean(axis=1, keepdims=True)
    chroma = ((ours[None, :, None] - theirs[:, None]) ** 2).sum(axis=3)
    weights = np.maximum(shares, _LEAST_SHARE)[None, :, None]
    return np.asarray((lightness + _CHROMA_WEIGHT * chroma) * weights, np.float64)


def likely_stop(points: Points, weights: NDArray[np.float64], shown: Points) -> int:
    """The index of the exposure under which the codebook explains Lab points (n, 3) best."""
    share = (weights / weights.sum()).astype(np.float32)
    flat = shown.reshape(-1, 3)
    cost = (flat**2).sum(axis=1, keepdims=True) - 2.0 * (flat @ points.T)
    least = cost.reshape(*shown.shape[:2], len(points)).min(axis=1)
    return int((least @ share + _STOP_COST * STOPS**2).argmin())
