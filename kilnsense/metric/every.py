"""All triplets of a batch, or all of one kind, without a list of them.

Where a loss is a hinge of the distance that was mined with, the sum over them is a sum over pairs of samples
with whole weights (`fold`). For any other loss they are gone through block by block (`blocks`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from kilnsense.metric.ranking import Ranking, Relation, less_margin

Kind = Literal["all", "semi_hard", "hard"]
"""Which of all triplets."""

BLOCK = 1 << 20
"""Triplets gone through at once."""


@dataclass(frozen=True)
class Every:
    """All triplets of a kind of a batch of N.

    Attributes:
        distances: (N, N) that they were mined with.
        relation: who is whose positive and negative.
        ranking: of these.
        margin: a number, or (N, N) with one per anchor and negative.
        kind: which of the triplets.
    """

    distances: Tensor
    relation: Relation
    ranking: Ranking
    margin: float | Tensor
    kind: Kind


@dataclass(frozen=True)
class Block:
    """The triplets of B pairs of anchor and positive.

    Attributes:
        anchor, positive: (B,) int64.
        chosen: (B, N) bool, which samples are negatives of a triplet.
    """

    anchor: Tensor
    positive: Tensor
    chosen: Tensor


def fold(every: Every) -> tuple[Tensor, float]:
    """The sum of d(a, p) - d(a, n) + m over the triplets that are not easy, as weights of pairs of samples.

    d(a, p) enters once per such negative, -d(a, n) once per such positive.

    Returns:
        (N, N) of whole numbers, rows being anchors: the sum over the triplets of d(a, p) - d(a, n) is the sum
        of weights[i, j] * d(i, j); and the sum of their margins.
    """
    ranking, kind = every.ranking, every.kind
    n = len(ranking.order)
    none = torch.zeros_like(ranking.hard)
    if ranking.order is ranking.shifted:
        start = ranking.hard if kind == "semi_hard" else none
        stop = ranking.hard if kind == "hard" else ranking.inside
        uses = _uses(ranking, ranking.order, start, stop)
    else:
        uses = torch.zeros(n, n, device=none.device)
        if kind != "hard":
            uses += _uses(ranking, ranking.shifted, none, ranking.inside)
        if kind != "all":
            sign = 1 if kind == "hard" else -1
            uses += sign * _uses(ranking, ranking.order, none, ranking.hard)
    per_pair = {"all": ranking.inside, "hard": ranking.hard, "semi_hard": ranking.inside - ranking.hard}[kind]
    weights = uses.neg()
    weights[ranking.anchor, ranking.positive] = per_pair.to(weights.dtype)
    if isinstance(every.margin, Tensor):
        margins = float((uses.double() * every.margin).sum())
    else:
        margins = every.margin * float(per_pair.sum())
    return weights, margins


def blocks(every: Every) -> Iterator[Block]:
    """All triplets, the easy ones included where the kind is all, at most `BLOCK` at a time or one pair's."""
    anchors, positives = every.ranking.anchor, every.ranking.positive
    step = max(1, BLOCK // max(1, len(every.distances)))
    margin = every.margin
    for anchor, positive in zip(torch.split(anchors, step), torch.split(positives, step), strict=True):
        if len(anchor) == 0:
            return
        chosen = every.relation.negative[anchor]
        if every.kind != "all":
            to_positive = every.distances[anchor, positive][:, None]
            to_negative = every.distances[anchor]
            hard = to_negative <= to_positive
            if every.kind == "semi_hard":
                chosen &= ~hard & inside(to_positive, to_negative, margin_of(margin, anchor))
            else:
                chosen &= hard
        yield Block(anchor, positive, chosen)


def inside(to_positive: Tensor, to_negative: Tensor, margin: float | Tensor) -> Tensor:
    """Which triplets are hard or semi-hard, by the very comparison that `ranking` makes."""
    if isinstance(margin, Tensor):
        return less_margin(to_negative, margin) < to_positive
    return (to_negative <= to_positive) | (to_negative < to_positive + margin)


def margin_of(margin: float | Tensor, anchor: Tensor) -> float | Tensor:
    """The margin, or its rows of these anchors."""
    return margin[anchor] if isinstance(margin, Tensor) else margin


def _uses(ranking: Ranking, order: Tensor, start: Tensor, stop: Tensor) -> Tensor:
    """How many (anchor, positive) pairs have each sample among ranks start..stop-1, (N, N) by anchor.

    Whole numbers below N, which float32 holds exactly.
    """
    n = len(order)
    row, size = ranking.anchor * (n + 1), n * (n + 1)
    steps = torch.bincount(row + start, minlength=size) - torch.bincount(row + stop, minlength=size)
    uses = steps.float().reshape(n, n + 1).cumsum(1)[:, :n]
    return torch.zeros(n, n, device=start.device).scatter_(1, order, uses)
