"""Differences between vectors in torch: row by row or all with all, differentiable at every vector.

A vector is a last axis of d. The tables compare (N, d) with (M, d) -> (N, M) through one matrix product.
"""

import torch
from torch import Tensor

from kilnsense.metric.colour import safe_sqrt


def unit(x: Tensor) -> Tensor:
    """Vectors (..., d) at length 1; a zero vector stays zero."""
    length = safe_sqrt((x**2).sum(-1, keepdim=True))
    return x / torch.where(length > 0, length, 1.0)


def squared(x: Tensor, y: Tensor) -> Tensor:
    """Squared L2 distance, (..., d) x (..., d) -> (...)."""
    return ((x - y) ** 2).sum(-1)


def euclidean(x: Tensor, y: Tensor) -> Tensor:
    """L2 distance, (..., d) x (..., d) -> (...); derivative 0 where the two are equal."""
    return safe_sqrt(squared(x, y))


def squared_table(x: Tensor, y: Tensor) -> Tensor:
    """Squared L2 distance of all with all, (N, d) x (M, d) -> (N, M)."""
    square, error = _expanded(x, y)
    return torch.where(square > error, square, 0.0)


def euclidean_table(x: Tensor, y: Tensor) -> Tensor:
    """L2 distance of all with all, (N, d) x (M, d) -> (N, M); derivative 0 where two are equal."""
    return safe_sqrt(*_expanded(x, y))


def _expanded(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """|x|^2 + |y|^2 - 2 xy, and the rounding error below which it means 0.

    The product is taken in float64: in float32 near-duplicates would drown in the rounding of the norms.
    """
    wide_x, wide_y = x.double(), y.double()
    norms_x, norms_y = (wide_x**2).sum(1), (wide_y**2).sum(1)
    square = torch.addmm(norms_x[:, None] + norms_y, wide_x, wide_y.T, alpha=-2)
    largest = torch.cat([norms_x, norms_y, norms_x.new_zeros(1)]).detach().max()
    return square.to(x.dtype), (2e-14 * largest).to(x.dtype)
