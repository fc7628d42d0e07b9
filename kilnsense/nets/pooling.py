"""Pooling: what of a feature map under a view's mask goes into the head.

A pool is a function of features (N, P, C, h, w), where P is the number of views or 1 that all views share,
and weights (N, V, h, w), the share of each cell that belongs to each view; it gives (N, V, I).
"""

from collections.abc import Callable

import torch
from torch import Tensor

_VARIANCE_FLOOR = 1e-5  # keeps the slope of the standard deviation finite on flat regions
_MASK_FLOOR = 1e-6

Pool = Callable[[Tensor, Tensor], Tensor]
"""(N, P, C, h, w) and (N, V, h, w) -> (N, V, I)."""


def pool_moments(features: Tensor, weights: Tensor) -> Tensor:
    """Mean and standard deviation of every channel over the cells of each view: I = 2 C.

    Weights are 0 and up and need no normalisation; where all are 0 the mean is 0 and the deviation the floor.
    """
    rows, cells = features.flatten(-2).transpose(-2, -1), weights.flatten(-2)
    if features.shape[1] == 1:
        return _moments(rows[:, 0], cells)
    return _moments(rows, cells.unsqueeze(-2)).squeeze(-2)


def _moments(rows: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean and standard deviation, (..., L, C) and (..., V, L) -> (..., V, 2 C)."""
    shares = weights / weights.sum(-1, keepdim=True).clamp_min(_MASK_FLOOR)
    mean = shares @ rows
    square = shares @ rows**2
    deviation = ((square - mean**2).clamp_min(0.0) + _VARIANCE_FLOOR).sqrt()
    return torch.cat([mean, deviation], dim=-1)


def pool_flat(features: Tensor, weights: Tensor) -> Tensor:
    """Every channel of every cell, times the share of the cell that belongs to the view: I = C h w."""
    return (features * weights.unsqueeze(-3)).flatten(-3)


POOLS: dict[str, Pool] = {"moments": pool_moments, "flat": pool_flat}
"""Pool by name."""
