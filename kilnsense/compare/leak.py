"""How much a score would owe to memory: the same frames split by group, and split at random.

The nearest training frame in the hand-made descriptors decides, the judge with the best memory of all. Where
frames of one run are on both sides it finds the neighbour in time. The codebook behind the descriptors is
that of all frames, without their labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilnsense.classify.measures import macro_f1
from kilnsense.classify.metrics import confusion
from kilnsense.classify.models import build_classifier
from kilnsense.compare.plan import Fold
from kilnsense.config import CompareConfig
from kilnsense.data.splits import grouped_folds
from kilnsense.features.descriptors import select_blocks
from kilnsense.seeds import generator

Pairs = Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]]


@dataclass(frozen=True)
class Leak:
    """Macro F1 of the nearest neighbour, 0..1, pooled over the folds, mean over the repeats.

    Attributes:
        grouped: in the folds of the comparison.
        random: in as many folds of single frames.
    """

    grouped: float
    random: float

    @property
    def memory(self) -> float:
        """How much the random split flatters."""
        return self.random - self.grouped


def measure_leak(
    settings: CompareConfig,
    descriptors: NDArray[np.float32],
    labels: NDArray[np.int64],
    folds: Sequence[Fold],
) -> Leak:
    """Judges (N, F) descriptors twice, in the given folds and in random ones."""
    rows, _ = select_blocks(descriptors, settings.base.segment.names)
    names = [str(label) for label in labels]
    alone = [str(row) for row in range(len(labels))]
    grouped, random = [], []
    for repeat in range(settings.repeats):
        chance = generator(settings.base.seed, f"leak.{repeat}")
        own = [(fold.train, fold.test) for fold in folds if fold.repeat == repeat]
        grouped.append(_score(rows, labels, own))
        dealt = grouped_folds(names, alone, folds=settings.folds, rng=chance)
        # The same frames are learned from in either: no bad pictures.
        good = np.unique(np.concatenate([train for train, _ in own]))
        random.append(_score(rows, labels, [(np.intersect1d(train, good), test) for train, test in dealt]))
    return Leak(float(np.mean(grouped)), float(np.mean(random)))


def _score(rows: NDArray[np.float32], labels: NDArray[np.int64], pairs: Pairs) -> float:
    said = np.zeros(len(labels), np.int64)
    for train, test in pairs:
        model = build_classifier("knn", {"neighbours": 1}, seed=0).fit(rows[train], labels[train])
        said[test] = model.predict(rows[test])
    return float(macro_f1(confusion(labels, said, classes=int(labels.max()) + 1)))
