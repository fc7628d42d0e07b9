"""Which triplets of a batch to learn from; easy, semi-hard and hard are defined in `ranking`.

A miner is a function `(distances, relation, *, margin, generator) -> Mined`: distances (N, N) as from
`Distance.matrix(x, x)`, the relation as from `relate`, a margin of one number or (N, N) with one per anchor
and negative. It raises InputError for shapes that do not fit or values that are not finite, ConfigError for a
margin below 0. A batch without a valid triplet is no error: nothing is chosen.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from kilnsense.errors import ConfigError, InputError
from kilnsense.metric.counts import Counts
from kilnsense.metric.every import BLOCK, Every, Kind, inside, margin_of
from kilnsense.metric.ranking import Ranking, Relation, cells, check_batch, count_valid, per_row, rank

Pick = Literal["random", "nearest"]
"""Which of an anchor's semi-hard negatives."""


@dataclass(frozen=True)
class Mined:
    """Triplets chosen from a batch of N, and of what kinds all are that it holds.

    Attributes:
        anchor, positive, negative: (T,) int64, rows of the batch; empty where `every` stands for them.
        margin: what a loss is to use, in the unit of the distance: a number, or (T,) with one per triplet.
        valid: how many triplets the batch holds.
        counts: how many of all valid ones are of each kind, whichever were chosen. Of the chosen ones alone
            where the miner ranks nothing, as the count would cost as much as the choice or more: of `random`
            (a sample of all), `batch_hard` (each anchor's worst case) and `as_drawn`.
        every: None, or all triplets of a kind without a list.
    """

    anchor: Tensor
    positive: Tensor
    negative: Tensor
    margin: float | Tensor
    valid: int
    counts: Counts
    every: Every | None = None

    @property
    def chosen(self) -> int:
        """How many triplets the loss learns from; 0 means that the batch teaches nothing."""
        if self.every is None:
            return len(self.anchor)
        of = {"all": self.counts.total, "semi_hard": self.counts.semi_hard, "hard": self.counts.hard}
        return of[self.every.kind]


class Miner(Protocol):
    """A function that chooses triplets from a distance matrix (N, N) and a relation."""

    def __call__(
        self, distances: Tensor, relation: Relation, *, margin: float | Tensor, generator: torch.Generator
    ) -> Mined:
        """Chooses triplets."""
        ...


def random_triplets(
    distances: Tensor, relation: Relation, *, margin: float | Tensor, generator: torch.Generator
) -> Mined:
    """For each anchor and positive one negative at random, of whatever kind."""
    check_batch(distances, relation, margin)
    anchor, positive = cells(relation.positive)
    _, negatives = cells(relation.negative)
    count = per_row(relation.negative)
    begin = count.cumsum(0) - count
    keep = count[anchor] > 0
    anchor, positive = anchor[keep], positive[keep]
    place = begin[anchor] + _draw(torch.zeros_like(anchor), count[anchor], generator)
    return _listed(distances, relation, (anchor, positive, negatives[place]), margin)


def batch_hard(
    distances: Tensor,
    relation: Relation,
    *,
    margin: float | Tensor,
    generator: torch.Generator,  # noqa: ARG001
) -> Mined:
    """For each anchor its farthest positive and nearest negative. Hermans, Beyer, Leibe, 2017."""
    check_batch(distances, relation, margin)
    anchor = (relation.positive.any(1) & relation.negative.any(1)).nonzero().flatten()
    positive, negative = anchor, anchor
    if len(anchor):
        positive = distances.masked_fill(~relation.positive, -math.inf).argmax(1)[anchor]
        negative = distances.masked_fill(~relation.negative, math.inf).argmin(1)[anchor]
    return _listed(distances, relation, (anchor, positive, negative), margin)


def hardest(
    distances: Tensor,
    relation: Relation,
    *,
    margin: float | Tensor,
    generator: torch.Generator,  # noqa: ARG001
) -> Mined:
    """For each anchor and positive the negative with the largest hinge, where that is hard or semi-hard."""
    check_batch(distances, relation, margin)
    ranking = rank(distances, relation, margin)
    return _picked(relation, ranking, (ranking.inside > 0, torch.zeros_like(ranking.hard)), margin)


def random_hard(
    distances: Tensor, relation: Relation, *, margin: float | Tensor, generator: torch.Generator
) -> Mined:
    """For each anchor and positive one hard or semi-hard negative at random, where there is one."""
    check_batch(distances, relation, margin)
    ranking = rank(distances, relation, margin)
    place = _draw(torch.zeros_like(ranking.hard), ranking.inside, generator)
    return _picked(relation, ranking, (ranking.inside > 0, place), margin)


def semi_hard(
    distances: Tensor,
    relation: Relation,
    *,
    margin: float | Tensor,
    generator: torch.Generator,
    pick: Pick = "random",
) -> Mined:
    """For each anchor and positive one semi-hard negative, where there is one.

    `pick`: "random", or "nearest" as in Schroff, Kalenichenko, Philbin, "FaceNet", CVPR 2015.
    """
    check_batch(distances, relation, margin)
    ranking = rank(distances, relation, margin)
    if isinstance(margin, Tensor):
        return _semi_hard_by_margins(distances, relation, ranking, margin, generator, pick)
    place = ranking.hard if pick == "nearest" else _draw(ranking.hard, ranking.inside, generator)
    return _picked(relation, ranking, (ranking.inside > ranking.hard, place), margin)


def all_triplets(
    distances: Tensor,
    relation: Relation,
    *,
    margin: float | Tensor,
    generator: torch.Generator,  # noqa: ARG001
    kind: Kind = "all",
) -> Mined:
    """Every valid triplet, or every one of a kind, without a list of them."""
    check_batch(distances, relation, margin)
    ranking = rank(distances, relation, margin)
    none = ranking.anchor[:0]
    every = Every(distances, relation, ranking, margin, kind)
    return _ranked(relation, ranking, (none, none, none), margin, every)


def as_drawn(
    distances: Tensor,
    relation: Relation,
    *,
    margin: float | Tensor,
    generator: torch.Generator,  # noqa: ARG001
) -> Mined:
    """The triplets that the batch was drawn as: its rows are anchors, then their positives, then negatives.

    Raises:
        InputError: rows that are no three equal parts of that kind.
    """
    check_batch(distances, relation, margin)
    third, rest = divmod(len(distances), 3)
    rows = torch.arange(3 * third, device=distances.device)
    anchor, positive, negative = rows[:third], rows[third : 2 * third], rows[2 * third :]
    if rest or not (relation.positive[anchor, positive] & relation.negative[anchor, negative]).all():
        raise InputError(
            f"miner 'as_drawn': the {len(distances)} rows are no anchors, positives and negatives in thirds; "
            "draw the batches as triplets (`tuple_batches`, size 3), or use another miner"
        )
    return _listed(distances, relation, (anchor, positive, negative), margin)


def _draw(low: Tensor, high: Tensor, generator: torch.Generator) -> Tensor:
    """A whole number in low..high-1 each, uniform; low where that is empty."""
    u = torch.rand(len(low), generator=generator, device=generator.device).to(low.device)
    step = (u * (high - low)).long()
    return low + torch.minimum(step, (high - low - 1).clamp_min(0))


def _semi_hard_by_margins(
    distances: Tensor,
    relation: Relation,
    ranking: Ranking,
    margins: Tensor,
    generator: torch.Generator,
    pick: Pick,
) -> Mined:
    """With a margin per negative the semi-hard ones lie side by side in neither order: they are looked at."""
    step = max(1, BLOCK // max(1, len(distances)))
    rows = torch.split((ranking.anchor * len(distances) + ranking.positive), step)
    keeps, negatives = [], []
    for cell in rows:
        anchor, positive = cell // max(1, len(distances)), cell % max(1, len(distances))
        to_positive, to_negative = distances[anchor, positive][:, None], distances[anchor]
        fits = relation.negative[anchor] & (to_negative > to_positive)
        fits &= inside(to_positive, to_negative, margin_of(margins, anchor))
        key = to_negative
        if pick == "random":
            key = torch.rand(key.shape, generator=generator, device=generator.device).to(key.device)
        keeps.append(fits.any(1))
        negatives.append(key.masked_fill(~fits, math.inf).argmin(1) if len(cell) else cell)
    keep = torch.cat(keeps)
    triplets = (ranking.anchor[keep], ranking.positive[keep], torch.cat(negatives)[keep])
    return _ranked(relation, ranking, triplets, margins[triplets[0], triplets[2]])


def _picked(
    relation: Relation, ranking: Ranking, choice: tuple[Tensor, Tensor], margin: float | Tensor
) -> Mined:
    """The triplets of the pairs to keep (P,) of bool, each with its negative at a rank (P,)."""
    keep, place = choice
    anchor, positive = ranking.anchor[keep], ranking.positive[keep]
    negative = ranking.shifted[anchor, place[keep]]
    if isinstance(margin, Tensor):
        margin = margin[anchor, negative]
    return _ranked(relation, ranking, (anchor, positive, negative), margin)


def _ranked(
    relation: Relation,
    ranking: Ranking,
    triplets: tuple[Tensor, Tensor, Tensor],
    margin: float | Tensor,
    every: Every | None = None,
) -> Mined:
    """These triplets, with the kinds of all valid ones, which the ranking knows."""
    hard, within, valid = _numbers(ranking.hard.sum(), ranking.inside.sum(), count_valid(relation))
    counts = Counts(easy=valid - within, semi_hard=within - hard, hard=hard)
    return Mined(*triplets, margin=margin, valid=valid, counts=counts, every=every)


def _listed(
    distances: Tensor,
    relation: Relation,
    triplets: tuple[Tensor, Tensor, Tensor],
    margin: float | Tensor,
) -> Mined:
    """These triplets, with the kinds of these alone."""
    anchor, positive, negative = triplets
    d_ap, d_an = distances[anchor, positive], distances[anchor, negative]
    if isinstance(margin, Tensor):
        margin = margin[anchor, negative]
    is_hard = d_an <= d_ap
    hard, within, valid = _numbers(
        is_hard.count_nonzero(), inside(d_ap, d_an, margin).count_nonzero(), count_valid(relation)
    )
    return Mined(
        anchor=anchor,
        positive=positive,
        negative=negative,
        margin=margin,
        valid=valid,
        counts=Counts(easy=len(anchor) - within, semi_hard=within - hard, hard=hard),
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
    "as_drawn": lambda: as_drawn,
}
"""Miner builders by name, for losses over triplets."""
