"""Losses over mined triplets.

A loss is a function of the embeddings, what was mined from them, and the distance that it was mined with. It
is a scalar tensor that always back-propagates: a batch without a triplet gives 0 with a gradient of 0, and
`Mined.chosen == 0` tells the caller to count it.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from kilnsense.errors import ConfigError
from kilnsense.metric.distances import Distance, check_finite
from kilnsense.metric.miners import Mined
from kilnsense.metric.ranking import check_margin

Reduction = Literal["mean_violating", "mean", "sum"]
"""Over what a loss is averaged.

mean_violating: the triplets whose hinge is above 0. Its size does not fade as triplets become easy.
mean: all chosen triplets, the easy ones with their 0.
sum: not averaged.
"""


class TripletLoss(Protocol):
    """A function from embeddings, mined triplets and a distance to a scalar loss."""

    def __call__(self, embeddings: Tensor, mined: Mined, distance: Distance, *, margin: float) -> Tensor:
        """The loss, a scalar that back-propagates."""
        ...


def triplet(
    embeddings: Tensor,
    mined: Mined,
    distance: Distance,
    *,
    margin: float,
    reduction: Reduction = "mean_violating",
) -> Tensor:
    """max(0, d(a, p) - d(a, n) + margin) over the mined triplets.

    Schroff, Kalenichenko, Philbin, "FaceNet", CVPR 2015 (there with `squared_euclidean`); all triplets at
    once where the miner folded them into pair weights.

    Args:
        embeddings: (N, d) or (N, p, 3), as the distance takes them.
        mined: triplets of these N rows.
        distance: the one that they were mined with.
        margin: >= 0, in the unit of the distance.
        reduction: what the sum is divided by.

    Raises:
        ConfigError: margin below 0, or another than the triplets were folded with; unknown reduction; the
            distance does not take such embeddings.
        InputError: an embedding is not finite.
    """
    check_margin(margin)
    _check_reduction(reduction)
    if mined.chosen == 0:
        check_finite(embeddings)
        return (embeddings * 0).sum()
    if mined.weights is not None:
        total = _folded(embeddings, mined, mined.weights, distance, margin=margin)
        return total / _divisor(mined, reduction)
    ends = torch.cat([mined.positive, mined.negative])
    to_positive, to_negative = distance.chosen(embeddings, mined.anchor.repeat(2), ends).chunk(2)
    hinge = (to_positive - to_negative + margin).clamp_min(0)
    if reduction == "mean_violating":
        return hinge.sum() / (hinge > 0).sum().clamp_min(1)
    return hinge.mean() if reduction == "mean" else hinge.sum()


def _folded(
    embeddings: Tensor, mined: Mined, weights: Tensor, distance: Distance, *, margin: float
) -> Tensor:
    """The sum of all hinges above 0, from weights of pairs; in float64, because large terms cancel."""
    if margin != mined.margin:
        raise ConfigError(
            f"loss 'triplet': margin {margin}, but mined with {mined.margin}; give both the same"
        )
    first, second = weights.nonzero(as_tuple=True)
    apart = distance.chosen(embeddings, first, second)
    total = (apart.double() * weights[first, second]).sum() + margin * mined.violating
    return total.to(apart.dtype)


def _divisor(mined: Mined, reduction: Reduction) -> int:
    if reduction == "sum":
        return 1
    return max(1, mined.violating if reduction == "mean_violating" else mined.chosen)


def _check_reduction(reduction: str) -> None:
    if reduction not in get_args(Reduction):
        raise ConfigError(
            f"loss 'triplet': reduction: got {reduction!r}, allowed: {', '.join(get_args(Reduction))}"
        )


def _triplet(*, reduction: Reduction = "mean_violating") -> TripletLoss:
    _check_reduction(reduction)
    return partial(triplet, reduction=reduction)


LOSSES: dict[str, Callable[..., TripletLoss]] = {"triplet": _triplet}
"""Loss builders by name."""
