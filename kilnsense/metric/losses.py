"""The table of losses: what each is over, the margin it begins with, and what it learns itself."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from kilnsense.errors import ConfigError, InputError
from kilnsense.metric import class_losses, pair_losses, triplet_losses
from kilnsense.metric.distances import Distance
from kilnsense.metric.miners import Mined
from kilnsense.metric.pair_miners import Pairs
from kilnsense.metric.triplet_losses import Reduction

Over = Literal["triplets", "pairs", "classes"]
"""What a loss is over: triplets from `MINERS`, pairs from `PAIR_MINERS`, or single samples and classes."""

Chosen = Mined | Pairs | Tensor
"""What a loss learns from: mined triplets, mined pairs, or labels (N,) int64."""

Learned = Mapping[str, Tensor]
"""The tensors that a loss itself learns; empty for most."""


@dataclass(frozen=True)
class Loss:
    """A loss and what a trainer has to know of it.

    Attributes:
        name: its name in `LOSSES`.
        over: what it learns from.
        value: (embeddings, chosen, distance, learned) -> scalar that always back-propagates: where nothing
            is chosen 0 with a gradient of 0. The margin is that of `chosen`.
        default_margin: for a distance, in its unit.
        start: None, or (width of a flattened embedding, classes, generator) -> what the loss learns itself,
            float32 without requires_grad.
        compare: None, or how embeddings (N, width) are compared after training with what was learned; None:
            by the distance.
        has_margin: the margin enters the value; else only miners and counts go by it.
    """

    name: str
    over: Over
    value: Callable[[Tensor, Chosen, Distance, Learned], Tensor]
    default_margin: Callable[[Distance], float]
    start: Callable[[int, int, torch.Generator], dict[str, Tensor]] | None = None
    compare: Callable[[Learned], Distance] | None = None
    has_margin: bool = True


def _own_margin(distance: Distance) -> float:
    return distance.margin


def _pair_margin(distance: Distance) -> float:
    return distance.unit


def _over_triplets(
    name: str, of: Callable[[Tensor, Mined, Distance], Tensor], *, has_margin: bool = True
) -> Loss:
    def value(embeddings: Tensor, chosen: Chosen, distance: Distance, learned: Learned) -> Tensor:  # noqa: ARG001
        if not isinstance(chosen, Mined):
            raise _wrong(name, "triplets", "MINERS", chosen)
        return of(embeddings, chosen, distance)

    return Loss(name, "triplets", value, _own_margin, has_margin=has_margin)


def _triplet(*, reduction: Reduction = "mean_violating") -> Loss:
    _check_reduction("triplet", reduction)
    return _over_triplets("triplet", lambda x, m, d: triplet_losses.triplet(x, m, d, reduction=reduction))


def _triplet_soft(*, reduction: Reduction = "mean") -> Loss:
    _check_reduction("triplet_soft", reduction)
    return _over_triplets(
        "triplet_soft", lambda x, m, d: triplet_losses.triplet_soft(x, m, d, reduction=reduction)
    )


def _triplet_cosine(*, reduction: Reduction = "mean_violating") -> Loss:
    _check_reduction("triplet_cosine", reduction)
    return _over_triplets(
        "triplet_cosine", lambda x, m, d: triplet_losses.triplet_cosine(x, m, d, reduction=reduction)
    )


def _contrastive() -> Loss:
    def value(embeddings: Tensor, chosen: Chosen, distance: Distance, learned: Learned) -> Tensor:  # noqa: ARG001
        return pair_losses.contrastive(embeddings, _pairs("contrastive", chosen), distance)

    return Loss("contrastive", "pairs", value, _pair_margin)


def _energy(*, bound: float | None = None) -> Loss:
    if bound is not None and not (math.isfinite(bound) and bound > 0):
        raise ConfigError(
            f"loss 'energy': bound: got {bound}, allowed: above 0, the distance over which impostors are "
            "pushed apart; about that of two random embeddings is a good start, or none for ten default "
            "margins of the distance"
        )

    def value(embeddings: Tensor, chosen: Chosen, distance: Distance, learned: Learned) -> Tensor:  # noqa: ARG001
        return pair_losses.energy(embeddings, _pairs("energy", chosen), distance, bound=bound)

    return Loss("energy", "pairs", value, _pair_margin, has_margin=False)


def _weighted_l1_bce() -> Loss:
    def value(embeddings: Tensor, chosen: Chosen, distance: Distance, learned: Learned) -> Tensor:  # noqa: ARG001
        return pair_losses.weighted_l1_bce(embeddings, _pairs("weighted_l1_bce", chosen), learned)

    return Loss(
        "weighted_l1_bce",
        "pairs",
        value,
        _pair_margin,
        start=pair_losses.start_weighted_l1,
        compare=pair_losses.compare_weighted_l1,
        has_margin=False,
    )


def _softmax() -> Loss:
    def value(embeddings: Tensor, chosen: Chosen, distance: Distance, learned: Learned) -> Tensor:  # noqa: ARG001
        if not isinstance(chosen, Tensor):
            raise _wrong("softmax", "labels", "no miner", chosen)
        return class_losses.softmax(embeddings, chosen, learned)

    return Loss("softmax", "classes", value, _own_margin, start=class_losses.start_softmax, has_margin=False)


def _pairs(name: str, chosen: Chosen) -> Pairs:
    if not isinstance(chosen, Pairs):
        raise _wrong(name, "pairs", "PAIR_MINERS", chosen)
    return chosen


def _wrong(name: str, wanted: str, where: str, got: Chosen) -> InputError:
    return InputError(f"loss {name!r} learns from {wanted}, got {type(got).__name__}; use {where}")


def _check_reduction(name: str, reduction: str) -> None:
    if reduction not in get_args(Reduction):
        raise ConfigError(
            f"loss {name!r}: reduction: got {reduction!r}, allowed: {', '.join(get_args(Reduction))}"
        )


LOSSES: dict[str, Callable[..., Loss]] = {
    "triplet": _triplet,
    "triplet_soft": _triplet_soft,
    "triplet_cosine": _triplet_cosine,
    "ratio": lambda: _over_triplets("ratio", triplet_losses.ratio, has_margin=False),
    "contrastive": _contrastive,
    "energy": _energy,
    "weighted_l1_bce": _weighted_l1_bce,
    "softmax": _softmax,
}
"""Loss builders by name."""
