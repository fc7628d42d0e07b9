"""Classes by the nearest training frames under a distance of its own; used by the comparison of distances."""

import numpy as np
import torch

from kilnsense.metric.distances import Distance
from kilnsense.training.objective import shaped
from kilnsense.types import Embeddings

NEIGHBOURS = 9


def nearest(
    distance: Distance, found: Embeddings, labels: np.ndarray, train: np.ndarray, test: np.ndarray
) -> np.ndarray:
    """Class of each test row by its nearest training rows; absent branches do not count."""
    total, count = np.zeros((len(test), len(train))), np.zeros((len(test), len(train)))
    for branch in range(len(found.names)):
        x = shaped(torch.from_numpy(found.values[:, branch]), distance)
        both = np.outer(found.present[test, branch], found.present[train, branch])
        total += np.where(both, distance.matrix(x[test], x[train]).numpy(), 0.0)
        count += both
    mean = np.where(count > 0, total / np.maximum(count, 1), np.inf)
    order = np.argsort(mean, axis=1)[:, :NEIGHBOURS]
    weight = 1.0 / np.maximum(np.take_along_axis(mean, order, axis=1), 1e-9)
    weight = weight / np.bincount(labels[train])[labels[train][order]]  # equal priors
    votes = [(weight * (labels[train][order] == c)).sum(axis=1) for c in range(labels.max() + 1)]
    return np.argmax(votes, axis=0).astype(np.int64)
