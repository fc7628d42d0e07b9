"""What an encoder is trained for: the triplet loss of every branch."""

from dataclasses import dataclass

import torch
from torch import Tensor

from kilnsense.config import MetricConfig
from kilnsense.metric.distances import DISTANCES, Distance
from kilnsense.metric.losses import LOSSES, TripletLoss
from kilnsense.metric.miners import MINERS, Miner
from kilnsense.parts import build


@dataclass(frozen=True)
class Objective:
    """A distance, what is mined with it, and the loss of that.

    Attributes:
        distance, miner, loss: parts of `kilnsense.metric`.
        margin: in the unit of the distance.
        origin: what it was built from; a run goes on from a checkpoint only where this is the same.
    """

    distance: Distance
    miner: Miner
    loss: TripletLoss
    margin: float
    origin: str = ""


@dataclass(frozen=True)
class Counts:
    """Of which kinds the mined triplets were, over branches and batches."""

    easy: int = 0
    semi_hard: int = 0
    hard: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.easy + other.easy, self.semi_hard + other.semi_hard, self.hard + other.hard)


def build_objective(config: MetricConfig) -> Objective:
    """The objective that a config describes; without a margin the distance's own. Raises ConfigError."""
    distance = build(DISTANCES, config.distance, {}, kind="metric.distance")
    return Objective(
        distance=distance,
        miner=build(MINERS, config.miner, {}, kind="metric.miner"),
        loss=build(LOSSES, config.loss, {}, kind="metric.loss"),
        margin=distance.margin if config.margin is None else config.margin,
        origin=config.model_dump_json(),
    )


def batch_loss(
    embeddings: Tensor, present: Tensor, labels: Tensor, objective: Objective, *, generator: torch.Generator
) -> tuple[Tensor, Counts]:
    """The mean over the branches of each branch's own triplet loss.

    A sample takes no part in a branch where its view is absent. A branch whose present samples form no valid
    triplet is left out of the mean; where all are, the loss is 0, with a gradient of 0.

    Args:
        embeddings: (N, V, D).
        present: (N, V) bool.
        labels: (N,) int64.
        objective: what to minimise.
        generator: for the miner.

    Raises:
        InputError: an embedding of a present view is not finite.
    """
    total, branches, counts = (embeddings[:0] * 0).sum(), 0, Counts()
    for v in range(embeddings.shape[1]):
        x = shaped(embeddings[present[:, v], v], objective.distance)
        fixed = x.detach()
        distances = objective.distance.matrix(fixed, fixed)
        mined = objective.miner(
            distances, labels[present[:, v]], margin=objective.margin, generator=generator
        )
        if mined.valid == 0:
            continue
        total = total + objective.loss(x, mined, objective.distance, margin=objective.margin)
        branches += 1
        counts += Counts(mined.easy, mined.semi_hard, mined.hard)
    return total / max(1, branches), counts


def shaped(rows: Tensor, distance: Distance) -> Tensor:
    """Rows (N, D) of one branch as the distance takes them: (N, D), or palettes (N, D / 3, 3)."""
    return rows if distance.takes == "vector" else rows.reshape(len(rows), rows.shape[1] // 3, 3)
