"""Losses over pairs, and what the one with a learned distance learns.

Each is a mean over the chosen pairs, genuine and impostor alike; a batch without a pair gives 0 with a
gradient of 0.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from kilnsense.errors import InputError
from kilnsense.metric.distances import Distance, check_finite
from kilnsense.metric.pair_miners import Pairs


def contrastive(embeddings: Tensor, pairs: Pairs, distance: Distance) -> Tensor:
    """1/2 d^2 for a genuine pair, 1/2 max(0, margin - d)^2 for an impostor; mean over the chosen pairs.

    Hadsell, Chopra, LeCun, "Dimensionality reduction by learning an invariant mapping", CVPR 2006.

    Args:
        embeddings: (N, d) or (N, p, 3), as the distance takes them.
        pairs: of these N rows, with the margin.
        distance: d.

    Raises:
        ConfigError: the distance does not take such embeddings.
        InputError: an embedding is not finite.
    """
    if pairs.chosen == 0:
        return _nothing(embeddings)
    apart = distance.chosen(embeddings, pairs.first, pairs.second)
    # Where the pair is to be: a genuine one at 0, an impostor at the margin or, beyond it, where it is.
    wanted = apart.detach().clamp_min(pairs.margin).masked_fill_(pairs.genuine, 0)
    return functional.mse_loss(apart, wanted) / 2


def energy(embeddings: Tensor, pairs: Pairs, distance: Distance, *, bound: float | None) -> Tensor:
    """2/Q E^2 for a genuine pair, 2 Q exp(-2.77 E / Q) for an impostor; mean over the chosen pairs.

    Chopra, Hadsell, LeCun, "Learning a similarity metric discriminatively, with application to face
    verification", CVPR 2005. There E is the L1 norm of the difference and Q its upper bound. Here E is the
    configured distance, and Q the scale over which impostors are pushed: their slope falls to 6 % at E = Q.
    Q is `bound`, or twice `Distance.unit` where that is None: by `euclidean` the largest distance of two
    vectors of unit length, by other distances about that of two random embeddings, no upper bound. No margin.
    Arguments and errors as of `contrastive`.
    """
    if pairs.chosen == 0:
        return _nothing(embeddings)
    q = 2 * distance.unit if bound is None else bound
    apart = distance.chosen(embeddings, pairs.first, pairs.second)
    return torch.where(pairs.genuine, 2 / q * apart**2, 2 * q * torch.exp(-2.77 / q * apart)).mean()


def weighted_l1_bce(embeddings: Tensor, pairs: Pairs, learned: Mapping[str, Tensor]) -> Tensor:
    """Cross-entropy of p = sigmoid(sum_j w_j |x_j - y_j| + b), the chance of a genuine pair; mean over pairs.

    Koch, Zemel, Salakhutdinov, "Siamese neural networks for one-shot image recognition", ICML workshop 2015.
    The weights and the bias are learned with the network (`start_weighted_l1`); after training they are the
    distance (`compare_weighted_l1`). No margin.

    Args:
        embeddings: (N, d), or (N, p, 3), which count as (N, 3 p).
        pairs: of these N rows.
        learned: "weights" (d,) and "bias" (1,).

    Raises:
        InputError: an embedding is not finite, or is not as wide as the weights.
    """
    check_finite(embeddings)
    x = embeddings.flatten(1)
    weights, bias = learned["weights"], learned["bias"]
    _check_width(x, weights)
    if pairs.chosen == 0:
        return _nothing(x) + 0 * (weights.sum() + bias.sum())
    gap = (x.index_select(0, pairs.first) - x.index_select(0, pairs.second)).abs()
    return functional.binary_cross_entropy_with_logits(gap @ weights + bias, pairs.genuine.to(gap.dtype))


def start_weighted_l1(width: int, classes: int, generator: torch.Generator) -> dict[str, Tensor]:  # noqa: ARG001
    """What `weighted_l1_bce` learns, as Koch et al. begin: weights N(0, 0.2), bias N(0.5, 0.01).

    Args:
        width: of an embedding, flattened.
        classes: not used.
        generator: all chance comes from here.
    """
    return {
        "weights": 0.2 * torch.randn(width, generator=generator),
        "bias": 0.5 + 0.01 * torch.randn(1, generator=generator),
    }


def compare_weighted_l1(learned: Mapping[str, Tensor]) -> Distance:
    """-log p of `weighted_l1_bce` as a distance of vectors (N, d), palettes being flattened.

    It is above 0 even for equal embeddings, the diagonal of its `matrix` included, and where a weight is
    positive they may not be the nearest.
    """
    weights, bias = learned["weights"].detach(), learned["bias"].detach()

    def between(x: Tensor, y: Tensor) -> Tensor:
        _check_width(x, weights)
        return functional.softplus(-((x - y).abs() @ weights.to(x.dtype) + bias.to(x.dtype)))

    def table(x: Tensor, y: Tensor) -> Tensor:
        return torch.stack([between(row, y) for row in x]) if len(x) else x.new_zeros(0, len(y))

    return Distance(
        name="weighted_l1",
        takes="vector",
        margin=0.2,
        prepare=lambda x: x,
        between=between,
        table=table,
    )


def _nothing(embeddings: Tensor) -> Tensor:
    check_finite(embeddings)
    return (embeddings * 0).sum()


def _check_width(x: Tensor, weights: Tensor) -> None:
    if x.shape[-1] != len(weights):
        raise InputError(
            f"loss 'weighted_l1_bce': {len(weights)} weights were learned, the embeddings are {x.shape[-1]} "
            "wide; compare embeddings of the network that they were learned with"
        )
