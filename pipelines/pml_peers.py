"""What pytorch-metric-learning offers beside the library: the same number from its own parts.

Each peer mines and computes the loss with plain L2 (its default normalises) and averages as the library does.
Its contrastive loss is linear; Hadsell's squares are built from its pieces, so that values can be compared.
"""

from collections.abc import Callable

from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import ContrastiveLoss, TripletMarginLoss
from pytorch_metric_learning.miners import BatchHardMiner, TripletMarginMiner
from pytorch_metric_learning.reducers import SumReducer
from spent import Job
from torch import Tensor


class _Hadsell(ContrastiveLoss):
    def pos_calc(self, pos_pair_dist: Tensor, margin: float) -> Tensor:  # noqa: ARG002
        """Half the square."""
        return pos_pair_dist**2 / 2

    def neg_calc(self, neg_pair_dist: Tensor, margin: float) -> Tensor:
        """Half the square of what the margin exceeds the distance by."""
        return (margin - neg_pair_dist).clamp_min(0) ** 2 / 2


def _plain() -> LpDistance:
    return LpDistance(normalize_embeddings=False, p=2)


def _triplets_of(kind: str, margin: float) -> Job:
    miner = TripletMarginMiner(margin=margin, type_of_triplets=kind, distance=_plain())
    loss = TripletMarginLoss(margin=margin, distance=_plain())
    return lambda x, labels: loss(x, labels, miner(x.detach(), labels))


def _batch_hard(margin: float, *, soft: bool) -> Job:
    miner = BatchHardMiner(distance=_plain())
    loss = TripletMarginLoss(margin=margin, smooth_loss=soft, distance=_plain())
    return lambda x, labels: loss(x, labels, miner(x.detach(), labels))


def _soft_all(margin: float) -> Job:
    return TripletMarginLoss(margin=margin, smooth_loss=True, distance=_plain())


def _all_pairs(margin: float) -> Job:
    loss = _Hadsell(neg_margin=margin, distance=_plain(), reducer=SumReducer())
    return lambda x, labels: loss(x, labels) / (len(x) * (len(x) - 1))


PEERS: dict[tuple[str, str], Callable[[float], Job]] = {
    ("triplet", "all"): lambda margin: _triplets_of("all", margin),
    ("triplet", "all:semi_hard"): lambda margin: _triplets_of("semihard", margin),
    ("triplet", "all:hard"): lambda margin: _triplets_of("hard", margin),
    ("triplet", "batch_hard"): lambda margin: _batch_hard(margin, soft=False),
    ("triplet_soft", "batch_hard"): lambda margin: _batch_hard(margin, soft=True),
    ("triplet_soft", "all"): _soft_all,
    ("contrastive", "all"): _all_pairs,
}
"""Peer of (loss, mining) for a margin."""
