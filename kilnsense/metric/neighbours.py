"""Classes by the nearest embeddings, under the distance that was trained with; nothing is approximated.

Colour differences are no metrics, so that no search tree serves them: everything is compared with everything,
in row blocks.
"""

import math

import torch
from torch import Tensor

from kilnsense.errors import ConfigError, InputError
from kilnsense.metric.distances import Distance

_BLOCK = 1 << 23  # distances looked at at once


def nearest(
    distance: Distance, asked: Tensor, known: Tensor, known_labels: Tensor, *, neighbours: int
) -> Tensor:
    """The class of most of the nearest known embeddings; where classes tie, of theirs the nearest one.

    Args:
        distance: what is near.
        asked: (M, ·) embeddings to name.
        known: (N, ·) embeddings of known class.
        known_labels: (N,) int64.
        neighbours: how many vote; all of them where fewer are known.

    Returns:
        (M,) int64, entries of `known_labels`.

    Raises:
        ConfigError: neighbours below 1, or embeddings that the distance does not take.
        InputError: no known embedding, not one label for each, or embeddings that are not finite.
    """
    _check(known, known_labels, neighbours, least=1)
    step = max(1, _BLOCK // len(known))
    blocks = [
        _vote(distance.matrix(rows, known), known_labels, neighbours) for rows in torch.split(asked, step)
    ]
    return torch.cat(blocks)


def nearest_others(distance: Distance, x: Tensor, labels: Tensor, *, neighbours: int) -> Tensor:
    """`nearest` for each embedding among all others, (N, ·) and (N,) int64 -> (N,) int64."""
    _check(x, labels, neighbours, least=2)
    step = max(1, _BLOCK // len(x))
    blocks, start = [], 0
    for rows in torch.split(x, step):
        distances = distance.matrix(rows, x)
        own = torch.arange(len(rows), device=x.device)
        distances[own, start + own] = math.inf
        blocks.append(_vote(distances, labels, min(neighbours, len(x) - 1)))
        start += len(rows)
    return torch.cat(blocks)


def _vote(distances: Tensor, labels: Tensor, neighbours: int) -> Tensor:
    k = min(neighbours, distances.shape[1])
    near = labels[distances.topk(k, largest=False, sorted=True).indices]
    votes = (near[:, :, None] == near[:, None, :]).sum(2)
    # Most votes first, and of as many votes the nearer one.
    best = (votes * k - torch.arange(k, device=near.device)).argmax(1, keepdim=True)
    return near.gather(1, best).squeeze(1)


def _check(known: Tensor, labels: Tensor, neighbours: int, *, least: int) -> None:
    if neighbours < 1:
        raise ConfigError(f"neighbours: got {neighbours}, allowed: 1 and above")
    if len(known) < least or labels.shape != (len(known),):
        raise InputError(
            f"neighbours: got {len(known)} known embeddings and labels of shape {tuple(labels.shape)}, "
            f"allowed: {least} or more and one label each; add labelled samples"
        )
