"""Where each positive stands among its anchor's negatives: the one definition of easy, semi-hard and hard.

A triplet is an anchor, a positive (of its class) and a negative (of another class). With d_ap and d_an the
anchor's distances and m the margin, every triplet is exactly one of

    hard        d_an <= d_ap
    semi-hard   d_ap <  d_an < d_ap + m
    easy        all others: the hinge d_ap - d_an + m is 0 or below

The margin is one number, or one per anchor and negative. Each anchor's negatives are sorted once by d_an, and
where margins differ once more by d_an - m; a binary search per positive finds how many of them are hard, and
how many hard or semi-hard. So a batch of N needs O(N^2 log N) time and O(N^2) memory, where a list of its
triplets would need O(N^3).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kilnsense.errors import ConfigError, InputError
from kilnsense.metric.vector import all_finite


@dataclass(frozen=True)
class Relation:
    """Which samples of a batch of N may be an anchor's positives, and which its negatives.

    Attributes:
        positive, negative: (N, N) bool, rows are anchors; both symmetric, never both true, false on the
            diagonal.
    """

    positive: Tensor
    negative: Tensor


@dataclass(frozen=True)
class Ranking:
    """Every (anchor, positive) pair of a batch of N, P of them, and its anchor's negatives in order.

    Attributes:
        order: (N, N) int64, columns by distance from the row's anchor, negatives first.
        shifted: (N, N) int64, columns by distance less margin; the same object where there is one margin.
        anchor, positive: (P,) int64, anchors ascending.
        hard: (P,) int64, how many negatives are hard: ranks 0..hard-1 of the anchor's row of `order`.
        inside: (P,) int64, how many are hard or semi-hard: ranks 0..inside-1 of `shifted`.
    """

    order: Tensor
    shifted: Tensor
    anchor: Tensor
    positive: Tensor
    hard: Tensor
    inside: Tensor


def relate(labels: Tensor, sides: Tensor | None = None) -> Relation:
    """Positives are of the same class, negatives of another.

    Args:
        labels: (N,) of an integer type.
        sides: None, or (N,): only samples of different sides are compared, as where two networks see two
            kinds of view. A sample seen from the other side is a positive like any other of its class.

    Raises:
        InputError: labels that are no whole numbers, or sides that are not one per label.
    """
    if labels.ndim != 1 or labels.is_floating_point():
        raise InputError(
            f"miner: labels are class numbers (N,) of an integer type, got shape {tuple(labels.shape)} of "
            f"{labels.dtype}"
        )
    same = labels[:, None] == labels[None, :]
    if sides is None:
        return Relation(same.clone().fill_diagonal_(False), ~same)
    if sides.shape != labels.shape:
        raise InputError(f"miner: needs one side per label {len(labels)}, got shape {tuple(sides.shape)}")
    across = sides[:, None] != sides[None, :]
    return Relation(same & across, ~same & across)


def rank(distances: Tensor, relation: Relation, margin: float | Tensor) -> Ranking:
    """Ranks a batch by its distances (N, N); the margin is a number, or (N, N) with one per negative."""
    away = ~relation.negative
    ascending, order = _sort_rows(distances.masked_fill(away, math.inf))
    anchor, positive = cells(relation.positive)
    count = per_row(relation.positive)
    # The positives of an anchor side by side in its row, because the search runs row by row.
    slot = torch.arange(len(anchor), device=anchor.device) - (count.cumsum(0) - count)[anchor]
    to_positive = distances.new_zeros(len(distances), int(count.max()) if len(count) else 0)
    to_positive[anchor, slot] = distances[anchor, positive]
    hard = torch.searchsorted(ascending, to_positive, right=True)[anchor, slot]
    if isinstance(margin, Tensor):
        near, shifted = _sort_rows(less_margin(distances, margin).masked_fill(away, math.inf))
        inside = torch.searchsorted(near, to_positive, right=False)[anchor, slot]
        return Ranking(order, shifted, anchor, positive, hard, inside)
    inside = torch.searchsorted(ascending, to_positive + margin, right=False)[anchor, slot]
    # At margin 0 a tie is hard.
    return Ranking(order, order, anchor, positive, hard, torch.maximum(hard, inside))


def less_margin(distances: Tensor, margins: Tensor) -> Tensor:
    """What a negative's distance is to exceed: it is hard or semi-hard where this is below d_ap, (N, N).

    d_an - m, and at least one floating-point step below d_an, so that a tie at margin 0 is hard.
    """
    below = torch.nextafter(distances, torch.full_like(distances, -math.inf))
    return torch.minimum(distances - margins, below)


def count_valid(relation: Relation) -> Tensor:
    """How many triplets a batch holds, a scalar."""
    return (per_row(relation.positive) * per_row(relation.negative)).sum()


def per_row(chosen: Tensor) -> Tensor:
    """How many entries of each row of (N, M) of bool are true, (N,) int64; much quicker than `sum(1)`."""
    return chosen.view(torch.uint8).sum(1, dtype=torch.int32).long()


def check_batch(distances: Tensor, relation: Relation, margin: float | Tensor) -> None:
    """Checks what every miner takes: distances (N, N), a relation of N and a margin.

    Raises:
        InputError: shapes that do not fit, distances or margins that are not finite.
        ConfigError: a margin below 0.
    """
    n = len(relation.positive)
    if distances.shape != (n, n):
        raise InputError(
            f"miner: needs labels (N,) and distances (N, N), got {n} labels and distances "
            f"{tuple(distances.shape)}"
        )
    if not all_finite(distances):
        rows = (~torch.isfinite(distances)).any(1).nonzero().flatten().tolist()
        raise InputError(
            f"miner: distances of {len(rows)} of {n} rows hold NaN or infinity, the first in row {rows[0]}; "
            "check the embeddings they come from"
        )
    if not isinstance(margin, Tensor):
        check_margin(margin)
    elif margin.shape != (n, n) or not bool((torch.isfinite(margin) & (margin >= 0)).all()):
        raise InputError(
            f"margins: got shape {tuple(margin.shape)}, or an entry that is below 0 or not finite; allowed: "
            f"one number of 0 and above per pair, ({n}, {n}); check the palettes they are scaled by"
        )


def cells(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of the true entries of (N, M) bool, row by row."""
    if mask.device.type != "cpu":
        row, column = mask.nonzero(as_tuple=True)
        return row, column
    # numpy finds them about six times as fast.
    place = torch.from_numpy(np.flatnonzero(mask.numpy()))
    width = max(1, mask.shape[1])
    row = place.div(width, rounding_mode="floor")
    return row, place - width * row


def check_margin(margin: float) -> None:
    """Raises ConfigError unless the margin is a number of 0 or more."""
    if not (math.isfinite(margin) and margin >= 0):
        raise ConfigError(
            f"margin: got {margin}, allowed: 0 and above, in the unit of the distance; "
            "about a tenth of the distance of two random embeddings is a good start"
        )


def _sort_rows(values: Tensor) -> tuple[Tensor, Tensor]:
    """Each row ascending, and the columns the values came from."""
    if values.device.type != "cpu":
        ascending, order = values.sort(1)
        return ascending, order
    # On a CPU numpy sorts about eight times as fast as torch.
    order = torch.from_numpy(np.argsort(values.detach().numpy(), axis=1))
    return values.gather(1, order), order
