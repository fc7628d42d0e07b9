"""Which triplets of a batch to learn from; easy, semi-hard and hard are defined in `ranking`.

A miner is a function `(distances, labels, *, margin, generator) -> Mined`: distances (N, N) as from
`Distance.matrix(x, x)`, labels (N,) of an integer type. It raises InputError for shapes that do not fit or
values that are not finite, ConfigError for a margin below 0. A batch without a valid triplet is no error:
nothing is chosen.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from kilnsense.errors import ConfigError
from kilnsense.metric.ranking import (
    Ranking,
    check_margin,
    count_valid,
    fold,
    positive_pairs,
    rank,
    same_class,
)

Pick = Literal["random", "nearest"]
"""Which of an anchor's semi-hard negatives."""

Kind = Literal["all", "semi_hard", "hard"]
"""Which of all triplets."""


@dataclass(frozen=True)
class Mined:
    """Triplets chosen from a batch of N, and what kinds they are.

    Attributes:
        anchor, positive, negative: (T,) int64, rows of the batch; empty where `weights` stands for them.
        margin: the margin they were mined with.
        valid: how many triplets the batch holds.
        easy, semi_hard, hard: how many of the chosen ones are of each kind.
        weights: None, or (N, N) float64 above the diagonal: the sum of d(a, p) - d(a, n) over the chosen
            triplets that are not easy is the sum of weights[i, j] * d(i, j). So none needs to be listed.
    """

    anchor: Tensor
    positive: Tensor
    negative: Tensor
    margin: float
    valid: int
    easy: int
    semi_hard: int
    hard: int
    weights: Tensor | None = None

    @property
    def chosen(self) -> int:
        """How many triplets were chosen; 0 means that the batch teaches nothing."""
        return self.easy + self.semi_hard + self.hard

    @property
    def violating(self) -> int:
        """How many of the chosen ones are hard or semi-hard."""
        return self.semi_hard + self.hard


class Miner(Protocol):
    """A function that chooses triplets from a distance matrix (N, N) and labels (N,)."""

    def __call__(
        self, distances: Tensor, labels: Tensor, *, margin: float, generator: torch.Generator
    ) -> Mined:
        """Chooses triplets."""
        ...


def random_triplets(distances: Tensor, labels: Tensor, *, margin: float, generator: torch.Generator) -> Mined:
    """For each anchor and positive one negative at random, of whatever kind."""
    check_margin(margin)
    same = same_class(distances, labels)
    anchor, positive = positive_pairs(same)
    _, negatives = (~same).nonzero(as_tuple=True)
    count = (~same).sum(1)
    begin = count.cumsum(0) - count
    keep = count[anchor] > 0
    anchor, positive = anchor[keep], positive[keep]
    place = begin[anchor] + _draw(torch.zeros_like(anchor), count[anchor], generator)
    return _listed(distances, same, (anchor, positive, negatives[place]), margin)


def batch_hard(distances: Tensor, labels: Tensor, *, margin: float, generator: torch.Generator) -> Mined:  # noqa: ARG001
    """For each anchor its farthest positive and nearest negative. Hermans, Beyer, Leibe, 2017."""
    check_margin(margin)
    same = same_class(distances, labels)
    others = same.clone().fill_diagonal_(False)
    anchor = (others.any(1) & ~same.all(1)).nonzero().flatten()
    positive, negative = anchor, anchor
    if len(anchor):
        positive = distances.masked_fill(~others, -math.inf).argmax(1)[anchor]
        negative = distances.masked_fill(same, math.inf).argmin(1)[anchor]
    return _listed(distances, same, (anchor, positive, negative), margin)


def hardest(distances: Tensor, labels: Tensor, *, margin: float, generator: torch.Generator) -> Mined:  # noqa: ARG001
    """For each anchor and positive the nearest negative, where that is hard or semi-hard."""
    check_margin(margin)
    same = same_class(distances, labels)
    ranking = rank(distances, same, margin)
    return _picked(distances, same, ranking, (ranking.inside > 0, torch.zeros_like(ranking.hard)), margin)


def random_hard(distances: Tensor, labels: Tensor, *, margin: float, generator: torch.Generator) -> Mined:
    """For each anchor and positive one hard or semi-hard negative at random, where there is one."""
    check_margin(margin)
    same = same_class(distances, labels)
    ranking = rank(distances, same, margin)
    place = _draw(torch.zeros_like(ranking.hard), ranking.inside, generator)
    return _picked(distances, same, ranking, (ranking.inside > 0, place), margin)


def semi_hard(
    distances: Tensor, labels: Tensor, *, margin: float, generator: torch.Generator, pick: Pick = "random"
) -> Mined:
    """For each anchor and positive one semi-hard negative, where there is one.

    `pick`: "random", or "nearest" as in Schroff, Kalenichenko, Philbin, "FaceNet", CVPR 2015.
    """
    check_margin(margin)
    same = same_class(distances, labels)
    ranking = rank(distances, same, margin)
    place = ranking.hard if pick == "nearest" else _draw(ranking.hard, ranking.inside, generator)
    return _picked(distances, same, ranking, (ranking.inside > ranking.hard, place), margin)


def all_triplets(
    distances: Tensor,
    labels: Tensor,
    *,
    margin: float,
    generator: torch.Generator,  # noqa: ARG001
    kind: Kind = "all",
) -> Mined:
    """Every valid triplet, or every one of a kind, folded into weights of pairs instead of listed."""
    check_margin(margin)
    same = same_class(distances, labels)
    ranking = rank(distances, same, margin)
    start = ranking.hard if kind == "semi_hard" else torch.zeros_like(ranking.hard)
    stop = ranking.hard if kind == "hard" else ranking.inside
    hard, inside, valid = _numbers(ranking.hard.sum(), ranking.inside.sum(), count_valid(same))
    none = ranking.anchor[:0]
    return Mined(
        anchor=none,
        positive=none,
        negative=none,
        margin=margin,
        valid=valid,
        easy=valid - inside if kind == "all" else 0,
        semi_hard=inside - hard if kind != "hard" else 0,
        hard=hard if kind != "semi_hard" else 0,
        weights=fold(ranking, start, stop),
    )


def _draw(low: Tensor, high: Tensor, generator: torch.Generator) -> Tensor:
    """A whole number in low..high-1 each, uniform; low where that is empty."""
    u = torch.rand(len(low), generator=generator, device=generator.device).to(low.device)
    step = (u * (high - low)).long()
    return low + torch.minimum(step, (high - low - 1).clamp_min(0))


def _picked(
    distances: Tensor, same: Tensor, ranking: Ranking, choice: tuple[Tensor, Tensor], margin: float
) -> Mined:
    """The triplets of the pairs to keep (P,) of bool, each with its negative at a rank (P,)."""
    keep, place = choice
    anchor, positive = ranking.anchor[keep], ranking.positive[keep]
    return _listed(distances, same, (anchor, positive, ranking.order[anchor, place[keep]]), margin)


def _listed(distances: Tensor, same: Tensor, triplets: tuple[Tensor, Tensor, Tensor], margin: float) -> Mined:
    anchor, positive, negative = triplets
    d_ap, d_an = distances[anchor, positive], distances[anchor, negative]
    is_hard = d_an <= d_ap
    is_semi_hard = ~is_hard & (d_an < d_ap + margin)
    hard, semi, valid = _numbers(is_hard.sum(), is_semi_hard.sum(), count_valid(same))
    return Mined(
        anchor=anchor,
        positive=positive,
        negative=negative,
        margin=margin,
        valid=valid,
        easy=len(anchor) - hard - semi,
        semi_hard=semi,
        hard=hard,
    )


def _numbers(first: Tensor, second: Tensor, third: Tensor) -> tuple[int, int, int]:
    """Three counts in one transfer from the device."""
    a, b, c = torch.stack([first, second, third]).tolist()
    return int(a), int(b), int(c)


def _semi_hard(*, pick: Pick = "random") -> Miner:
    if pick not in get_args(Pick):
        raise ConfigError(f"miner 'semi_hard': pick: got {pick!r}, allowed: {', '.join(get_args(Pick))}")
    return partial(semi_hard, pick=pick)


def _all(*, kind: Kind = "all") -> Miner:
    if kind not in get_args(Kind):
        raise ConfigError(f"miner 'all': kind: got {kind!r}, allowed: {', '.join(get_args(Kind))}")
    return partial(all_triplets, kind=kind)


MINERS: dict[str, Callable[..., Miner]] = {
    "random": lambda: random_triplets,
    "all": _all,
    "hardest": lambda: hardest,
    "random_hard": lambda: random_hard,
    "semi_hard": _semi_hard,
    "batch_hard": lambda: batch_hard,
}
"""Miner builders by name."""
