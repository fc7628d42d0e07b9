"""Losses over triplets: functions of the embeddings, the mined triplets and the distance.

All but `triplet_cosine` are curves over d(a, p) - d(a, n), and the margin is the one of the triplets. A batch
without a triplet gives 0 with a gradient of 0.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from kilnsense.metric.distances import Distance, check_finite, cosine
from kilnsense.metric.every import Every, blocks, fold, margin_of
from kilnsense.metric.miners import Mined

Reduction = Literal["mean_violating", "mean", "sum"]
"""Over what a loss is averaged.

mean_violating: the triplets with d(a, p) - d(a, n) + margin > 0; the others do not count. The size of a hinge
does not fade then as triplets become easy.
mean: all chosen triplets.
sum: not averaged.
"""

Curve = Callable[[Tensor, float | Tensor], Tensor]
"""A loss per triplet from d(a, p) - d(a, n) and the margin, which broadcast."""


def triplet(embeddings: Tensor, mined: Mined, distance: Distance, *, reduction: Reduction) -> Tensor:
    """max(0, d(a, p) - d(a, n) + margin), averaged as `reduction` says.

    Schroff, Kalenichenko, Philbin, "FaceNet", CVPR 2015 (there with `squared_euclidean`).

    Args:
        embeddings: (N, d) or (N, p, 3), as the distance takes them.
        mined: triplets of these N rows.
        distance: the one that they were mined with.
        reduction: over what to average.

    Raises:
        ConfigError: the distance does not take such embeddings.
        InputError: an embedding is not finite.
    """
    if mined.every is None or mined.chosen == 0:
        return _over(embeddings, mined, distance, _hinge, reduction)
    weights, margins = fold(mined.every)
    total = distance.weighted(embeddings, weights) + margins
    if reduction == "sum":
        return total
    # Of the other kinds no chosen triplet is easy.
    without_easy = mined.every.kind == "all" and reduction == "mean_violating"
    return total / max(1, mined.counts.violating if without_easy else mined.chosen)


def triplet_soft(embeddings: Tensor, mined: Mined, distance: Distance, *, reduction: Reduction) -> Tensor:
    """log(1 + exp(d(a, p) - d(a, n) + margin)), averaged as `reduction` says.

    Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017, there without
    a margin. Here it is the one of the triplets, by default `Distance.margin` as for the other losses over
    triplets; a margin of 0 gives the published loss, and a miner that goes by the margin then sees 0 too.
    Arguments and errors as of `triplet`.
    """
    return _over(embeddings, mined, distance, _softplus, reduction)


def triplet_cosine(embeddings: Tensor, mined: Mined, distance: Distance, *, reduction: Reduction) -> Tensor:
    """max(0, cos(a, n) - cos(a, p) + margin) of the flattened embeddings, averaged as `reduction` says.

    The triplets may be mined with any distance. The margin is converted: theirs is in the unit of that
    distance, and the hinge's is margin * cosine().margin / distance.margin, so that a tenth of a distance
    stays a tenth of a cosine. Mined with `euclidean` at 0.2 the hinge has 0.1; with `cosine` it is the same.
    The hinge is that of Schroff et al., CVPR 2015. Arguments and errors as of `triplet`.
    """
    angle = cosine()
    if distance.name == angle.name:
        return triplet(embeddings, mined, distance, reduction=reduction)
    scale = angle.margin / distance.margin
    return _over(embeddings.flatten(1), mined, angle, _hinge, reduction, scale=scale)


def ratio(embeddings: Tensor, mined: Mined, distance: Distance) -> Tensor:
    """|(s, t - 1)|^2 = 2 s^2 with (s, t) = softmax(d(a, p) / u, d(a, n) / u); mean over the chosen triplets.

    Hoffer, Ailon, "Deep metric learning using triplet network", 2015. The unit u is `Distance.unit`: 1, as
    there, for `euclidean`, and for other distances what keeps the softmax from saturating. No margin.
    Arguments and errors as of `triplet`.
    """
    unit = distance.unit
    return _over(embeddings, mined, distance, lambda gap, _: 2 * torch.sigmoid(gap / unit) ** 2, "mean")


def _hinge(gap: Tensor, margin: float | Tensor) -> Tensor:
    return (gap + margin).clamp_min(0)


def _softplus(gap: Tensor, margin: float | Tensor) -> Tensor:
    return functional.softplus(gap + margin)


def _over(
    embeddings: Tensor,
    mined: Mined,
    distance: Distance,
    curve: Curve,
    reduction: Reduction,
    *,
    scale: float = 1.0,
) -> Tensor:
    """The mean of a curve over the chosen triplets, their margins times `scale`."""
    if mined.chosen == 0:
        check_finite(embeddings)
        return (embeddings * 0).sum()
    if mined.every is not None:
        return _over_every(embeddings, mined.every, distance, curve, reduction, scale=scale)
    ends = torch.cat([mined.positive, mined.negative])
    to_positive, to_negative = distance.chosen(embeddings, mined.anchor.repeat(2), ends).chunk(2)
    gap = to_positive - to_negative
    margin = mined.margin * scale
    values = curve(gap, margin)
    if reduction == "mean_violating":
        counted = gap + margin > 0
        return (values * counted).sum() / counted.count_nonzero().clamp_min(1)
    return values.mean() if reduction == "mean" else values.sum()


def _over_every(
    embeddings: Tensor,
    every: Every,
    distance: Distance,
    curve: Curve,
    reduction: Reduction,
    *,
    scale: float,
) -> Tensor:
    """The curve over all triplets: its slope is gathered per pair of samples, so that memory stays O(N^2).

    The result has the exact value and the exact gradient; it is linear beyond that, so that it cannot be
    differentiated twice.
    """
    fixed = embeddings.detach()
    distances = distance.matrix(fixed, fixed)
    slopes = torch.zeros_like(distances)
    total, count = 0.0, 0
    for block in blocks(every):
        gap = distances[block.anchor, block.positive][:, None] - distances[block.anchor]
        margin = margin_of(every.margin, block.anchor) * scale
        chosen = block.chosen
        if reduction == "mean_violating":
            chosen = chosen & (gap + margin > 0)
        with torch.enable_grad():
            values = curve(gap.requires_grad_(), margin).masked_fill(~chosen, 0).sum(dtype=torch.float64)
            (slope,) = torch.autograd.grad(values, gap)
        total, count = total + values.item(), count + int(chosen.count_nonzero())
        slopes.index_put_((block.anchor, block.positive), slope.sum(1), accumulate=True)
        slopes.index_add_(0, block.anchor, slope, alpha=-1)
    divisor = 1 if reduction == "sum" else max(1, count)
    linear = distance.weighted(embeddings, slopes / divisor)
    return linear - linear.detach() + total / divisor
