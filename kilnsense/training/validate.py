"""How good an encoder is, measured on samples that it does not learn from."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kilnsense.classify.metrics import balanced_accuracy
from kilnsense.metric.losses import triplet
from kilnsense.metric.miners import all_triplets
from kilnsense.nets.branches import Encoder
from kilnsense.nets.encode import encode
from kilnsense.training.objective import Objective, batch_loss, shaped
from kilnsense.types import Embeddings, Views

NEIGHBOURS = 5

Judged = tuple[Views, NDArray[np.int64]]
"""Views of N samples and their (N,) classes."""


@dataclass(frozen=True)
class Validation:
    """Figures of one encoder.

    Attributes:
        accuracy: nearest-neighbour balanced accuracy, mean over the branches that can be judged, 0..1.
        loss: mean hinge over all triplets, mean over those branches.
        spread: per branch the mean distance of two samples; 0 where fewer than two are present.
        collapsed: branches whose spread is below half the margin, so that no triplet can be satisfied.
    """

    accuracy: float
    loss: float
    spread: tuple[float, ...]
    collapsed: tuple[str, ...]


def judge_encoder(
    encoder: Encoder, judged: Judged, neighbours: Judged | None, objective: Objective, *, device: str
) -> Validation:
    """`validate` for what an encoder makes of these views; without neighbours leave-one-out."""
    views, labels = judged
    embeddings = encode(encoder, views, device=device)
    if neighbours is None:
        return validate(embeddings, labels, None, labels[:0], objective)
    return validate(
        embeddings, labels, encode(encoder, neighbours[0], device=device), neighbours[1], objective
    )


def validate(
    embeddings: Embeddings,
    labels: NDArray[np.int64],
    reference: Embeddings | None,
    reference_labels: NDArray[np.int64],
    objective: Objective,
) -> Validation:
    """Judges embeddings of V branches by their neighbours.

    Args:
        embeddings: (N, V, D) of the samples to judge.
        labels: (N,) their classes.
        reference: (M, V, D) of training samples that are the neighbours; None: leave-one-out among the
            samples.
        reference_labels: (M,) their classes; not looked at without a reference.
        objective: gives the distance and the margin.
    """
    classes = int(max(labels.max(initial=0), reference_labels.max(initial=0))) + 1
    scores, spread = [], []
    for v in range(len(embeddings.names)):
        rows = np.flatnonzero(embeddings.present[:, v])
        x = _rows(embeddings, v, rows, objective)
        within = objective.distance.matrix(x, x)
        spread.append(float(within.sum() / max(1, len(rows) * (len(rows) - 1))))
        if reference is None:
            distances, known = within.clone().fill_diagonal_(torch.inf), labels[rows]
        else:
            others = np.flatnonzero(reference.present[:, v])
            distances = objective.distance.matrix(x, _rows(reference, v, others, objective))
            known = reference_labels[others]
        if len(rows) and len(known) > 1:
            guess = _vote(distances, known, classes)
            scores.append(balanced_accuracy(labels[rows], guess, classes=classes))
    loss, _ = batch_loss(
        torch.from_numpy(embeddings.values),
        torch.from_numpy(embeddings.present),
        torch.from_numpy(labels),
        Objective(objective.distance, all_triplets, _mean_hinge, objective.margin),
        generator=torch.Generator(),
    )
    collapsed = [
        name for name, mean in zip(embeddings.names, spread, strict=True) if mean < objective.margin / 2
    ]
    return Validation(float(np.mean(scores)) if scores else 0.0, float(loss), tuple(spread), tuple(collapsed))


def _rows(embeddings: Embeddings, v: int, rows: NDArray[np.intp], objective: Objective) -> Tensor:
    return shaped(torch.from_numpy(embeddings.values[rows, v]), objective.distance)


def _mean_hinge(embeddings: Tensor, mined: object, distance: object, *, margin: float) -> Tensor:
    return triplet(embeddings, mined, distance, margin=margin, reduction="mean")  # type: ignore[arg-type]


def _vote(distances: Tensor, known: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """The class with most weight among the nearest neighbours; nearer ones weigh more, which breaks ties."""
    near, columns = distances.topk(min(NEIGHBOURS, distances.shape[1] - 1), dim=1, largest=False)
    weights = (1 / (near + 1e-6)).double().numpy()
    votes = np.zeros((len(distances), classes))
    for k in range(columns.shape[1]):
        votes[np.arange(len(votes)), known[columns[:, k].numpy()]] += weights[:, k]
    winners: NDArray[np.int64] = votes.argmax(axis=1).astype(np.int64)
    return winners
