"""Where each positive stands among its anchor's negatives: the one definition of easy, semi-hard and hard.

A triplet is an anchor, a positive (another sample of its class) and a negative (a sample of another class).
With d_ap and d_an the anchor's distances and m the margin, every triplet is exactly one of

    hard        d_an <= d_ap
    semi-hard   d_ap <  d_an < d_ap + m
    easy        all others: the hinge d_ap - d_an + m is 0 or below

Each anchor's negatives are sorted once, and a binary search per positive finds how many of them are hard, and
how many hard or semi-hard. So a batch of N needs O(N^2 log N) time and O(N^2) memory, where a list of its
triplets would need O(N^3).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kilnsense.errors import ConfigError, InputError


@dataclass(frozen=True)
class Ranking:
    """Every (anchor, positive) pair of a batch of N, P of them, and its anchor's negatives by distance.

    Attributes:
        order: (N, N) int64, columns by distance from the row's anchor, negatives first.
        anchor, positive: (P,) int64, anchors ascending.
        hard: (P,) int64, how many negatives are hard: ranks 0..hard-1 of the anchor's row of `order`.
        inside: (P,) int64, how many are hard or semi-hard: ranks 0..inside-1.
    """

    order: Tensor
    anchor: Tensor
    positive: Tensor
    hard: Tensor
    inside: Tensor


def rank(distances: Tensor, same: Tensor, margin: float) -> Ranking:
    """Ranks a batch from its distances (N, N) and which pairs are of one class (N, N) of bool."""
    ascending, order = _sort_rows(distances.masked_fill(same, math.inf))
    anchor, positive = positive_pairs(same)
    count = same.sum(1) - 1
    # The positives of an anchor side by side in its row, because the search runs row by row.
    slot = torch.arange(len(anchor), device=anchor.device) - (count.cumsum(0) - count)[anchor]
    to_positive = distances.new_zeros(len(same), int(count.max()) if len(count) else 0)
    to_positive[anchor, slot] = distances[anchor, positive]
    hard = torch.searchsorted(ascending, to_positive, right=True)[anchor, slot]
    inside = torch.searchsorted(ascending, to_positive + margin, right=False)[anchor, slot]
    return Ranking(order, anchor, positive, hard, torch.maximum(hard, inside))  # at margin 0 a tie is hard


def positive_pairs(same: Tensor) -> tuple[Tensor, Tensor]:
    """All ordered (anchor, positive) pairs, anchors ascending, from the pairs of one class (N, N)."""
    anchor, positive = same.clone().fill_diagonal_(False).nonzero(as_tuple=True)
    return anchor, positive


def fold(ranking: Ranking, start: Tensor, stop: Tensor) -> Tensor:
    """The triplets of all pairs with the negatives of ranks start..stop-1, as weights of pairs of samples.

    d(a, p) enters the sum of d(a, p) - d(a, n) once per negative of the range, -d(a, n) once per range it is
    in.

    Args:
        ranking: of a batch of N.
        start, stop: (P,) int64, stop >= start.

    Returns:
        (N, N) float64 above the diagonal: the sum over all those triplets of d(a, p) - d(a, n) is the sum of
        weights[i, j] * d(i, j).
    """
    n = len(ranking.order)
    steps = torch.zeros(n, n + 1, dtype=torch.float64, device=start.device)
    one = steps.new_ones(())
    steps.index_put_((ranking.anchor, start), one, accumulate=True)
    steps.index_put_((ranking.anchor, stop), -one, accumulate=True)
    uses = steps.cumsum(1)[:, :n]
    weights = torch.zeros(n, n, dtype=torch.float64, device=start.device)
    weights.scatter_(1, ranking.order, uses.neg())
    weights[ranking.anchor, ranking.positive] = (stop - start).double()
    return (weights + weights.T).triu(1)


def count_valid(same: Tensor) -> Tensor:
    """How many triplets a batch holds, a scalar."""
    of_class = same.sum(1)
    return ((of_class - 1) * (len(same) - of_class)).sum()


def same_class(distances: Tensor, labels: Tensor) -> Tensor:
    """Which pairs are of one class, (N, N) of bool, after checking distances (N, N) and labels (N,).

    Raises:
        InputError: shapes that do not fit, labels that are no whole numbers, distances that are not finite.
    """
    n = len(labels)
    if labels.ndim != 1 or distances.shape != (n, n):
        raise InputError(
            f"miner: needs labels (N,) and distances (N, N), got {tuple(labels.shape)} "
            f"and {tuple(distances.shape)}"
        )
    if labels.is_floating_point():
        raise InputError(f"miner: labels are class numbers of an integer type, got {labels.dtype}")
    finite = torch.isfinite(distances)
    if not finite.all():
        rows = (~finite).any(1).nonzero().flatten().tolist()
        raise InputError(
            f"miner: distances of {len(rows)} of {n} rows hold NaN or infinity, the first in row {rows[0]}; "
            "check the embeddings they come from"
        )
    return labels[:, None] == labels[None, :]


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
