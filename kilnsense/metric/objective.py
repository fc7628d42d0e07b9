"""What an encoder is trained for: a distance, what is mined with it, and the loss of that."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kilnsense.metric.distances import Distance
from kilnsense.metric.losses import Learned, Loss
from kilnsense.metric.margins import Margin
from kilnsense.metric.miners import Miner
from kilnsense.metric.pair_miners import PairMiner
from kilnsense.seeds import derive

PerBranch = Sequence[Learned]
"""Per branch the tensors that the loss itself learns; empty mappings for most losses."""


@dataclass(frozen=True)
class Mining:
    """How triplets or pairs are found in a batch.

    Attributes:
        miner: None for a loss over classes, which needs none.
        tuples: rows of one tuple where batches are drawn tuple by tuple, 3 or 2; 0: balanced batches.
    """

    miner: Miner | PairMiner | None
    tuples: int = 0


@dataclass(frozen=True)
class Objective:
    """A distance, what is mined with it, and the loss of that.

    Attributes:
        distance, loss: parts of `kilnsense.metric`.
        mining: how, from epoch `first_epochs` + 1 on.
        margin: in the unit of the distance, over the steps of the run.
        first: how, in the epochs before.
        first_epochs: how many those are.
        margin_by: colour difference of the views' palettes that scales the margin of a pair; None: none does.
        across: pairs and triplets join two views; else each view has its own.
        origin: what it was built from; a run goes on from a checkpoint only where this is the same.
    """

    distance: Distance
    loss: Loss
    mining: Mining
    margin: Margin
    first: Mining = Mining(None)
    first_epochs: int = 0
    margin_by: Distance | None = None
    across: bool = False
    origin: str = ""

    def mining_of(self, epoch: int) -> Mining:
        """How an epoch mines; the first one is 1."""
        return self.first if epoch <= self.first_epochs else self.mining

    def compare(self, learned: PerBranch, branch: int) -> Distance:
        """How embeddings of a branch are compared: as configured, or as the loss has learned to."""
        if self.loss.compare is None:
            return self.distance
        return self.loss.compare({name: tensor.detach() for name, tensor in learned[branch].items()})

    def least_spread(self, margin: float) -> float:
        """The mean distance of two samples below which a branch tells them too little apart.

        Triplets: half the margin, below which no hinge can be satisfied on the whole. Pairs: a quarter of it,
        as two classes of no extent a margin apart are half a margin apart on the whole. Losses without a
        margin: half of the distance's own, a twentieth of the distance of two random embeddings.
        """
        if not self.loss.has_margin:
            return self.distance.margin / 2
        return margin / 2 if self.loss.over == "triplets" else margin / 4

    def start(self, width: int, classes: int, branches: int, *, seed: int) -> tuple[dict[str, Tensor], ...]:
        """First values of what the loss learns: for each branch its own, for training across views the same.

        Args:
            width: D of the embeddings.
            classes: C, labels are 0..C-1.
            branches: V.
            seed: of the first values.
        """
        if self.loss.start is None:
            return tuple({} for _ in range(branches))
        found = []
        for branch in range(1 if self.across else branches):
            chance = torch.Generator().manual_seed(derive(seed, f"fit.learned.{branch}"))
            found.append(self.loss.start(width, classes, chance))
        return tuple(found * branches) if self.across else tuple(found)


def shaped(rows: Tensor, distance: Distance) -> Tensor:
    """Rows (N, D) of one branch as the distance takes them: (N, D), or palettes (N, D / 3, 3)."""
    return rows if distance.takes == "vector" else rows.reshape(len(rows), rows.shape[1] // 3, 3)
