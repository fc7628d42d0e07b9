"""The usual mining of the Siamese and triplet literature: a loop over anchors in numpy, then a loss in torch.

The distance matrix goes to numpy; for each class and each pair of its members the losses of the triplets with
all other samples are computed, and negatives are picked among those wanted. Pairs are all that there are, or
the genuine ones and as many of the nearest impostors. torch then computes the loss of what was found. All
with plain L2. Published code takes each pair of a class one way round; `both_ways` also takes it the other
way round, as the library does.
"""

from collections.abc import Callable
from itertools import combinations, permutations

import numpy as np
import torch
from numpy.typing import NDArray
from spent import Job
from torch import Tensor

Indices = NDArray[np.int64]
Numbers = NDArray[np.floating]
Pick = Callable[[tuple[int, int], Indices, Numbers], Indices]
"""(anchor and positive, the wanted negatives (k,), their losses (k,)) -> some of the negatives."""

WANTED: dict[str, Callable[[Numbers, float], NDArray[np.bool_]]] = {
    "all": lambda losses, margin: losses > 0,  # noqa: ARG005
    "semi_hard": lambda losses, margin: (losses > 0) & (losses < margin),
    "hard": lambda losses, margin: losses >= margin,
}
"""Which triplets, by their losses d(a, p) - d(a, n) + margin."""

TRIPLET_CURVES: dict[str, Callable[[Tensor, float], Tensor]] = {
    "triplet": lambda gap, margin: (gap + margin).clamp_min(0),
    "ratio": lambda gap, margin: 2 * torch.sigmoid(gap) ** 2,  # noqa: ARG005
}
"""Losses of d(a, p) - d(a, n)."""

PAIR_CURVES: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "contrastive": lambda near, far, margin: torch.cat([near, (margin - far).clamp_min(0)]) ** 2 / 2,
    "energy": lambda near, far, bound: torch.cat(
        [2 / bound * near**2, 2 * bound * torch.exp(-2.77 / bound * far)]
    ),
}
"""Losses of the distances of genuine pairs and of impostors; the number is the margin, or the bound."""


def triplet_job(loss: str, wanted: str, pick: Pick, *, margin: float, both_ways: bool = False) -> Job:
    """Mean loss of TRIPLET_CURVES over the picked triplets of WANTED."""
    curve = TRIPLET_CURVES[loss]

    def job(x: Tensor, labels: Tensor) -> Tensor:
        found = triplets(_distances(x), labels.numpy(), wanted, pick, margin=margin, both_ways=both_ways)
        anchor, positive, negative = (x[torch.from_numpy(rows)] for rows in found)
        return curve(_apart(anchor, positive) - _apart(anchor, negative), margin).mean()

    return job


def pair_job(loss: str, *, hard: bool, scale: float) -> Job:
    """Mean loss of PAIR_CURVES over all pairs, or over the hard ones; `scale` is its margin or bound."""
    curve = PAIR_CURVES[loss]

    def job(x: Tensor, labels: Tensor) -> Tensor:
        names = labels.numpy()
        found = hard_negative_pairs(_distances(x), names) if hard else all_pairs(names)
        near, far = (_apart(*(x[torch.from_numpy(rows)] for rows in pairs)) for pairs in found)
        return curve(near, far, scale).mean()

    return job


def triplets(
    distances: Numbers, labels: Indices, wanted: str, pick: Pick, *, margin: float, both_ways: bool = False
) -> Indices:
    """Triplets (3, T): anchors, positives, negatives. `wanted` is a name of WANTED."""
    pairs, picked = [], [np.empty(0, np.int64)]
    for name in np.unique(labels):
        members, others = np.flatnonzero(labels == name), np.flatnonzero(labels != name)
        for anchor, positive in permutations(members, 2) if both_ways else combinations(members, 2):
            losses = distances[anchor, positive] - distances[anchor, others] + margin
            candidates = np.flatnonzero(WANTED[wanted](losses, margin))
            if len(candidates):
                pairs.append((anchor, positive))
                picked.append(pick((anchor, positive), others[candidates], losses[candidates]))
    ends = np.array(pairs, np.int64).reshape(-1, 2).T
    return np.vstack([np.repeat(ends, [len(some) for some in picked[1:]], axis=1), np.concatenate(picked)])


def every(pair: tuple[int, int], negatives: Indices, losses: Numbers) -> Indices:  # noqa: ARG001
    """All of them."""
    return negatives


def hardest(pair: tuple[int, int], negatives: Indices, losses: Numbers) -> Indices:  # noqa: ARG001
    """The one of the largest loss: the nearest."""
    return negatives[[losses.argmax()]]


def at_random(rng: np.random.Generator) -> Pick:
    """One of them at random."""
    return lambda pair, negatives, losses: negatives[[rng.integers(len(negatives))]]  # noqa: ARG005


def all_pairs(labels: Indices) -> tuple[Indices, Indices]:
    """All genuine pairs (2, G) and all impostors (2, I), each once."""
    pairs = np.array(list(combinations(range(len(labels)), 2)), np.int64).reshape(-1, 2).T
    genuine = labels[pairs[0]] == labels[pairs[1]]
    return pairs[:, genuine], pairs[:, ~genuine]


def hard_negative_pairs(distances: Numbers, labels: Indices) -> tuple[Indices, Indices]:
    """All genuine pairs and as many impostors, the nearest ones."""
    genuine, impostors = all_pairs(labels)
    apart, many = distances[impostors[0], impostors[1]], genuine.shape[1]
    if many < impostors.shape[1]:
        impostors = impostors[:, np.argpartition(apart, many)[:many]]
    return genuine, impostors


def _distances(x: Tensor) -> Numbers:
    fixed = x.detach()
    return torch.cdist(fixed, fixed).numpy()


def _apart(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).pow(2).sum(1).sqrt()
