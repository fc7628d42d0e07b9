"""Frames by the nearest ones under several branches at once, each with the distance it was trained for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kilnsense.metric.distances import Distance
from kilnsense.metric.neighbours import nearest
from kilnsense.metric.objective import shaped
from kilnsense.types import Embeddings

Rows = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Compared:
    """Embeddings of N frames, and how those of each branch are compared.

    Attributes:
        embeddings: (N, B, D).
        distances: B, one for each branch.
    """

    embeddings: Embeddings
    distances: tuple[Distance, ...]

    def only(self, branch: int) -> "Compared":
        """One branch of them."""
        found, one = self.embeddings, slice(branch, branch + 1)
        few = Embeddings(found.names[one], found.values[:, one], found.present[:, one])
        return Compared(few, self.distances[one])


def nearest_by_branches(
    compared: Compared, labels: NDArray[np.int64], train: Rows, test: Rows, *, neighbours: int
) -> NDArray[np.int64]:
    """The class of most of the nearest training frames, for each test frame.

    Two frames are as far apart as their branches are on average. A branch counts where both frames have it;
    frames with no branch in common are farthest.

    Args:
        compared: N frames.
        labels: (N,) class indices.
        train, test: rows that are known, and rows to name.
        neighbours: see `nearest`.
    """
    found = compared.embeddings
    rows = np.concatenate([found.values.reshape(len(found), -1), found.present.astype(np.float32)], axis=1)
    said = nearest(
        _mean_distance(compared.distances, width=found.values.shape[2]),
        torch.from_numpy(rows[test]),
        torch.from_numpy(rows[train]),
        torch.from_numpy(labels[train]),
        neighbours=neighbours,
    )
    named: NDArray[np.int64] = said.numpy()
    return named


def _mean_distance(distances: Sequence[Distance], *, width: int) -> Distance:
    """The mean over the branches both rows have, of rows of B embeddings side by side and B flags."""
    flags = slice(len(distances) * width, None)

    def table(x: Tensor, y: Tensor) -> Tensor:
        total, count = x.new_zeros(len(x), len(y)), x.new_zeros(len(x), len(y))
        here, there = x[:, flags], y[:, flags]
        for branch, distance in enumerate(distances):
            own = slice(branch * width, (branch + 1) * width)
            # Each branch in blocks of its own: a colour difference takes many times the memory of a number.
            apart = distance.matrix(shaped(x[:, own], distance), shaped(y[:, own], distance))
            both = here[:, branch, None] * there[None, :, branch]
            total, count = total + apart * both, count + both
        return torch.where(count > 0, total / count.clamp_min(1), torch.inf)

    def between(x: Tensor, y: Tensor) -> Tensor:
        return torch.stack([table(a[None], b[None])[0, 0] for a, b in zip(x, y, strict=True)])

    return Distance("mean over branches", "vector", 0.0, lambda x: x, between, table)
