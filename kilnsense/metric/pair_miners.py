"""Which pairs of a batch to learn from: genuine ones, of one class, and impostors, of two.

A pair miner is a function `(distances, relation, *, margin, generator) -> Pairs` with the arguments and the
errors of a miner of triplets. Each pair is chosen once, whichever way round.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from kilnsense.errors import InputError
from kilnsense.metric.counts import Counts
from kilnsense.metric.ranking import Relation, cells, check_batch


@dataclass(frozen=True)
class Pairs:
    """Pairs chosen from a batch of N, and of what kinds all are that it holds.

    Attributes:
        first, second: (P,) int64, rows of the batch.
        genuine: (P,) bool, both are of one class.
        margin: what a loss is to use, in the unit of the distance: a number, or (P,) with one per pair.
        valid: how many pairs the batch holds.
        counts: how many of all valid ones are of each kind, whichever were chosen; of `as_drawn`, how many
            of the chosen ones.
    """

    first: Tensor
    second: Tensor
    genuine: Tensor
    margin: float | Tensor
    valid: int
    counts: Counts

    @property
    def chosen(self) -> int:
        """How many pairs the loss learns from; 0 means that the batch teaches nothing."""
        return len(self.first)


class PairMiner(Protocol):
    """A function that chooses pairs from a distance matrix (N, N) and a relation."""

    def __call__(
        self, distances: Tensor, relation: Relation, *, margin: float | Tensor, generator: torch.Generator
    ) -> Pairs:
        """Chooses pairs."""
        ...


def all_pairs(
    distances: Tensor,
    relation: Relation,
    *,
    margin: float | Tensor,
    generator: torch.Generator,  # noqa: ARG001
) -> Pairs:
    """Every valid pair."""
    check_batch(distances, relation, margin)
    first, second = cells((relation.positive | relation.negative).triu_(1))
    return _listed(distances, relation, (first, second), margin)


def hard_negative(
    distances: Tensor,
    relation: Relation,
    *,
    margin: float | Tensor,
    generator: torch.Generator,  # noqa: ARG001
) -> Pairs:
    """Every genuine pair, and as many of the nearest impostors; all of them where there are fewer."""
    check_batch(distances, relation, margin)
    first, second = cells(relation.positive.triu(1))
    one, other = cells(relation.negative.triu(1))
    apart = distances[one, other]
    near = apart < (margin[one, other] if isinstance(margin, Tensor) else margin)
    nearest = apart.topk(min(len(first), len(one)), largest=False, sorted=False).indices
    ends = torch.cat([first, one[nearest]]), torch.cat([second, other[nearest]])
    return _listed(distances, relation, ends, margin, near)


def as_drawn(
    distances: Tensor,
    relation: Relation,
    *,
    margin: float | Tensor,
    generator: torch.Generator,  # noqa: ARG001
) -> Pairs:
    """The pairs that the batch was drawn as: its rows are the first of each, then the second of each.

    Raises:
        InputError: rows that are no two equal parts, or pairs that may not be compared.
    """
    check_batch(distances, relation, margin)
    half, rest = divmod(len(distances), 2)
    rows = torch.arange(2 * half, device=distances.device)
    first, second = rows[:half], rows[half:]
    if rest or not (relation.positive[first, second] | relation.negative[first, second]).all():
        raise InputError(
            f"miner 'as_drawn': the {len(distances)} rows are no first and second of pairs in halves; draw "
            "the batches as pairs (`tuple_batches`, size 2), or use another miner"
        )
    return _listed(distances, relation, (first, second), margin)


def _listed(
    distances: Tensor,
    relation: Relation,
    ends: tuple[Tensor, Tensor],
    margin: float | Tensor,
    near: Tensor | None = None,
) -> Pairs:
    """These pairs; `near`: which impostors of the batch are inside the margin, None: these are counted."""
    cell = ends[0] * len(distances) + ends[1]  # one index into the flat table is half the work of two
    if isinstance(margin, Tensor):
        margin = margin.flatten().index_select(0, cell)
    genuine = relation.positive.flatten().index_select(0, cell)
    within = ~genuine & (distances.flatten().index_select(0, cell) < margin) if near is None else near
    kinds = [genuine, within, relation.positive, relation.negative]
    of_class, inside, positive, negative = torch.stack([kind.count_nonzero() for kind in kinds]).tolist()
    impostors = len(genuine) - of_class if near is None else negative // 2
    return Pairs(
        first=ends[0],
        second=ends[1],
        genuine=genuine,
        margin=margin,
        valid=(positive + negative) // 2,
        counts=Counts(genuine=of_class, inside=inside, beyond=impostors - inside),
    )


PAIR_MINERS: dict[str, Callable[..., PairMiner]] = {
    "all": lambda: all_pairs,
    "hard_negative": lambda: hard_negative,
    "as_drawn": lambda: as_drawn,
}
"""Miner builders by name, for losses over pairs."""
