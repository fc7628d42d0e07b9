"""Differences between vectors in torch: row by row or all with all, differentiable at every vector.

A vector is a last axis of d. The tables compare (N, d) with (M, d) -> (N, M) through one matrix product.
"""

import math
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from kilnsense.metric.colour import safe_sqrt

_ROWS = 128  # of a table at once: its float64 numbers then stay in the cache


def all_finite(x: Tensor) -> bool:
    """No entry is NaN or infinite; a sum is much the quicker look, and finite only where they all are."""
    return math.isfinite(x.sum().item()) or bool(torch.isfinite(x).all())


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
    """Squared L2 distance of all with all, (N, d) x (M, d) -> (N, M).

    Where y is the same object as x the table is exactly symmetric with a zero diagonal. It can be
    differentiated once.
    """
    return _table(x, y, root=False)


def euclidean_table(x: Tensor, y: Tensor) -> Tensor:
    """L2 distance of all with all, otherwise as `squared_table`; derivative 0 where two are equal."""
    return _table(x, y, root=True)


def _table(x: Tensor, y: Tensor, *, root: bool) -> Tensor:
    if y is x and not (x.requires_grad and torch.is_grad_enabled()):
        return _within(x, root=root)
    if y is x:
        return cast(Tensor, _WithinTable.apply(x, root))
    return cast(Tensor, _AcrossTable.apply(x, y, root))


class _AcrossTable(torch.autograd.Function):
    """The table of two sets and its slope, which a few row blocks at a time keep in the cache."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, root: bool) -> Tensor:
        x_wide, y_wide = x.double(), y.double()
        x_norms, y_norms = (x_wide * x_wide).sum(1), (y_wide * y_wide).sum(1)
        error = _rounding(torch.cat([x_norms, y_norms]))
        table = x.new_empty(len(x), len(y))
        for start in range(0, len(x), _ROWS):
            rows = slice(start, start + _ROWS)
            square = _expanded((x_wide[rows], x_norms[rows]), (y_wide, y_norms), error)
            table[rows] = square
        if root:
            table.sqrt_()
        ctx.save_for_backward(x, y, table)
        ctx.root = root
        return table

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor, Tensor, None]:
        x, y, table = ctx.saved_tensors
        middle = x.mean(0)
        x, y = x - middle, y - middle
        to_x, to_y = torch.empty_like(x), torch.zeros_like(y)
        for start in range(0, len(x), _ROWS):
            rows = slice(start, start + _ROWS)
            pull = _pull(slopes[rows], table[rows], root=ctx.root)
            to_x[rows] = pull.sum(1, keepdim=True) * x[rows] - pull @ y
            to_y += pull.sum(0)[:, None] * y - pull.T @ x[rows]
        return to_x, to_y, None


class _WithinTable(torch.autograd.Function):
    """The table of a set with itself and its slope, at half the work of two sets."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, root: bool) -> Tensor:
        table = _within(x, root=root)
        ctx.save_for_backward(x, table)
        ctx.root = root
        return table

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor, None]:
        x, table = ctx.saved_tensors
        x = x - x.mean(0)
        if len(x) <= _ROWS:
            pull = _pull(slopes + slopes.T, table, root=ctx.root)
            return torch.addmm(pull.sum(1, keepdim=True) * x, pull, x, alpha=-1), None
        to_x = torch.empty_like(x)
        for start in range(0, len(x), _ROWS):
            rows = slice(start, start + _ROWS)
            pull = _pull(slopes[rows] + slopes[:, rows].T, table[rows], root=ctx.root)
            torch.addmm(pull.sum(1, keepdim=True) * x[rows], pull, x, alpha=-1, out=to_x[rows])
        return to_x, None


def _within(x: Tensor, *, root: bool) -> Tensor:
    """The table of a set with itself, each pair computed once."""
    wide = x.double()
    norms = (wide * wide).sum(1)
    error = _rounding(norms)
    if len(x) <= _ROWS:
        upper = _rooted(_expanded((wide, norms), (wide, norms), error).to(x.dtype), root=root).triu_(1)
        return upper + upper.T
    table = x.new_empty(len(x), len(x))
    for start in range(0, len(x), _ROWS):
        stop = min(len(x), start + _ROWS)
        square = _expanded((wide[start:stop], norms[start:stop]), (wide[start:], norms[start:]), error)
        block = _rooted(square.to(x.dtype), root=root)
        corner = block[:, : stop - start].triu(1)
        torch.add(corner, corner.T, out=table[start:stop, start:stop])
        if stop < len(x):
            table[start:stop, stop:] = block[:, stop - start :]
            table[stop:, start:stop] = block[:, stop - start :].T
    return table


def _expanded(x: tuple[Tensor, Tensor], y: tuple[Tensor, Tensor], error: float) -> Tensor:
    """|x|^2 + |y|^2 - 2 xy of vectors and their squared norms, and 0 where that is within its rounding error.

    The product is taken in float64: in float32 near-duplicates would drown in the rounding of the norms.
    """
    square = torch.addmm(y[1], x[0], y[0].T, alpha=-2).add_(x[1][:, None])
    return torch.threshold_(square, error, 0)


def _rooted(square: Tensor, *, root: bool) -> Tensor:
    return square.sqrt_() if root else square


def _rounding(norms: Tensor) -> float:
    """The rounding error of the expanded square of vectors with these squared norms."""
    return 2e-14 * norms.max().item() if len(norms) else 0.0


def _pull(slopes: Tensor, table: Tensor, *, root: bool) -> Tensor:
    """How strongly each difference of two vectors enters the slope; where they are equal not at all."""
    if not root:
        return slopes * 2
    return (slopes / table).masked_fill_(table == 0, 0)
