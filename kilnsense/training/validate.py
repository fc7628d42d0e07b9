"""How good an encoder is, measured on samples that it does not learn from."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kilnsense.classify.metrics import balanced_accuracy
from kilnsense.metric.distances import Distance
from kilnsense.metric.losses import LOSSES
from kilnsense.metric.miners import all_triplets
from kilnsense.metric.neighbours import nearest, nearest_others
from kilnsense.metric.objective import Objective, PerBranch, shaped
from kilnsense.metric.ranking import relate
from kilnsense.nets.branches import Encoder
from kilnsense.nets.encode import encode
from kilnsense.training.batch_loss import Batch, terms, view_pairs
from kilnsense.types import Embeddings, Views

NEIGHBOURS = 5

Judged = tuple[Views, NDArray[np.int64]]
"""Views of N samples and their (N,) classes."""

_HINGE = LOSSES["triplet"](reduction="mean")


@dataclass(frozen=True)
class Validation:
    """Figures of one encoder.

    Attributes:
        accuracy: nearest-neighbour balanced accuracy, mean over what can be judged, 0..1. Each branch is
            judged by itself; trained across views, each by the other ones.
        loss: mean hinge over all triplets whatever is trained for, mean over the branches or their pairs.
        spread: per branch the mean distance of two samples; 0 where fewer than two are present.
        collapsed: branches whose spread is below `Objective.least_spread`.
    """

    accuracy: float
    loss: float
    spread: tuple[float, ...]
    collapsed: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Ruler:
    """By what embeddings are judged.

    Attributes:
        objective: gives distance and margin.
        learned: what its loss has learned, per branch, on the CPU.
        margin: of the moment, in the unit of the distance.
    """

    objective: Objective
    learned: PerBranch
    margin: float


def judge_encoder(
    encoder: Encoder, judged: Judged, neighbours: Judged | None, ruler: Ruler, *, device: str
) -> Validation:
    """`validate` for what an encoder makes of these views; without neighbours leave-one-out."""
    views, labels = judged
    embeddings = encode(encoder, views, device=device)
    if neighbours is None:
        return validate(embeddings, labels, None, labels[:0], ruler)
    return validate(embeddings, labels, encode(encoder, neighbours[0], device=device), neighbours[1], ruler)


def validate(
    embeddings: Embeddings,
    labels: NDArray[np.int64],
    reference: Embeddings | None,
    reference_labels: NDArray[np.int64],
    ruler: Ruler,
) -> Validation:
    """Judges embeddings of V branches by their neighbours.

    Args:
        embeddings: (N, V, D) of the samples to judge.
        labels: (N,) their classes.
        reference: (M, V, D) of training samples that are the neighbours; None: leave-one-out among the
            samples. Samples of classes that no training sample has are judged among themselves.
        reference_labels: (M,) their classes; not looked at without a reference.
        ruler: how they are compared.
    """
    objective = ruler.objective
    scores = [
        _score(labels, guess)
        for u, v in view_pairs(len(embeddings.names), across=objective.across, ordered=True)
        if ((guess := _guess((embeddings, u), (reference, v), labels, reference_labels, ruler)) >= 0).any()
    ]
    spread = [_spread(embeddings, v, objective) for v in range(len(embeddings.names))]
    least = objective.least_spread(ruler.margin)
    collapsed = [name for name, mean in zip(embeddings.names, spread, strict=True) if mean < least]
    return Validation(
        accuracy=float(np.mean(scores)) if scores else 0.0,
        loss=_hinge(embeddings, labels, ruler),
        spread=tuple(spread),
        collapsed=tuple(collapsed),
    )


def _guess(
    asked: tuple[Embeddings, int],
    reference: tuple[Embeddings | None, int],
    labels: NDArray[np.int64],
    reference_labels: NDArray[np.int64],
    ruler: Ruler,
) -> NDArray[np.int64]:
    """(N,) what the neighbours in one view say of the samples in another, or the same; -1: nothing."""
    (embeddings, u), (known, v) = asked, reference
    distance = ruler.objective.compare(ruler.learned, u)
    guess = np.full(len(labels), -1)
    alone = ~np.isin(labels, reference_labels)
    if known is not None:
        rows, others = (
            np.flatnonzero(~alone & embeddings.present[:, u]),
            np.flatnonzero(known.present[:, v]),
        )
        if len(rows) and len(others):
            sets = _rows(embeddings, rows, u, distance), _rows(known, others, v, distance)
            guess[rows] = _vote(*sets, reference_labels[others], distance)
    rows = np.flatnonzero(alone & embeddings.present[:, u])
    if u == v and len(rows) > 1:
        found = nearest_others(
            distance,
            _rows(embeddings, rows, u, distance),
            torch.from_numpy(labels[rows]),
            neighbours=NEIGHBOURS,
        )
        guess[rows] = found.numpy()
    elif u != v:
        # One half asks, the other is known: a sample must not meet itself in the other view.
        second = _every_second(labels)
        rows, others = rows[~second[rows]], np.flatnonzero(alone & second & embeddings.present[:, v])
        if len(rows) and len(others):
            sets = _rows(embeddings, rows, u, distance), _rows(embeddings, others, v, distance)
            guess[rows] = _vote(*sets, labels[others], distance)
    return guess


def _vote(asked: Tensor, known: Tensor, labels: NDArray[np.int64], distance: Distance) -> NDArray[np.int64]:
    found: NDArray[np.int64] = nearest(
        distance, asked, known, torch.from_numpy(labels), neighbours=NEIGHBOURS
    ).numpy()
    return found


def _every_second(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(N,) True for the second, fourth, ... sample of each class."""
    order = np.argsort(labels, kind="stable")
    _, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    second = np.zeros(len(labels), np.bool_)
    second[order] = (np.arange(len(labels)) - np.repeat(starts, counts)) % 2 == 1
    return second


def _score(labels: NDArray[np.int64], guess: NDArray[np.int64]) -> float:
    """Balanced accuracy over the samples of which something was said."""
    there = guess >= 0
    # Numbered anew: of many classes few are judged.
    names, numbers = np.unique(np.concatenate([labels[there], guess[there]]), return_inverse=True)
    truth, said = np.split(numbers, 2)
    return balanced_accuracy(truth, said, classes=len(names))


def _spread(embeddings: Embeddings, v: int, objective: Objective) -> float:
    """Mean distance of two samples in a view; by the configured distance, which is 0 for equal ones."""
    rows = np.flatnonzero(embeddings.present[:, v])
    x = _rows(embeddings, rows, v, objective.distance)
    return float(objective.distance.matrix(x, x).sum() / max(1, len(rows) * (len(rows) - 1)))


def _hinge(embeddings: Embeddings, labels: NDArray[np.int64], ruler: Ruler) -> float:
    """Mean hinge over all triplets, with the margin of the end of training where triplets are trained for."""
    objective, values = ruler.objective, []
    batch = Batch(
        embeddings=torch.from_numpy(embeddings.values),
        present=torch.from_numpy(embeddings.present),
        labels=torch.from_numpy(labels),
        palettes=torch.zeros(*embeddings.values.shape[:2], 0, 3),
    )
    for term in terms(batch, across=objective.across):
        distance = objective.compare(ruler.learned, term.branch)
        x = shaped(term.rows, distance)
        mined = all_triplets(
            distance.matrix(x, x),
            relate(term.labels, term.sides),
            margin=objective.margin.at(1.0) if objective.loss.over == "triplets" else distance.margin,
            generator=torch.Generator(),
        )
        if mined.valid:
            values.append(float(_HINGE.value(x, mined, distance, {})))
    return float(np.mean(values)) if values else 0.0


def _rows(embeddings: Embeddings, rows: NDArray[np.intp], v: int, distance: Distance) -> Tensor:
    return shaped(torch.from_numpy(embeddings.values[rows, v]), distance)
