"""Embeddings in the plane, to look at."""

import numpy as np
from numpy.typing import NDArray

from kilnsense.study.outcome import Points

MOST_POINTS = 1500
"""At most so many points of each part are kept."""

Samples = tuple[NDArray[np.float32], NDArray[np.int64]]
"""(N, D) embeddings and (N,) class indices."""


def to_plane(train: Samples, test: Samples, *, rng: np.random.Generator) -> tuple[Points, Points]:
    """Training and test samples in one plane.

    Embeddings of two numbers are shown as they are. Longer ones are projected on the first two principal
    components of the training samples, so that the test samples have no say in what is shown. Of more than
    `MOST_POINTS` samples of a part, as many are drawn.

    Args:
        train, test: embeddings of one width, and their classes.
        rng: draws the samples that are shown.
    """
    project, caption = _projection(train[0])
    return _points("train", train, project, caption, rng), _points("test", test, project, caption, rng)


def _projection(rows: NDArray[np.float32]) -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]], str]:
    """Centre (D,) and axes (D, 2) of the plane, and what it is."""
    width = rows.shape[1]
    if width <= 2:
        return (np.zeros(width), np.eye(width, 2)), "embeddings as they are"
    centre = rows.mean(axis=0, dtype=np.float64)
    values, vectors = np.linalg.eigh(np.cov(rows.astype(np.float64), rowvar=False, bias=True))
    axes = vectors[:, [-1, -2]]
    # An eigenvector may point either way: the largest entry is made positive.
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)
    total = values.sum()
    share = values[-2:].sum() / total if total > 0 else 1.0
    return (centre, axes), f"first two principal components of the training samples, {share:.0%} of variance"


def _points(
    part: str,
    samples: Samples,
    project: tuple[NDArray[np.float64], NDArray[np.float64]],
    caption: str,
    rng: np.random.Generator,
) -> Points:
    rows, labels = samples
    if len(rows) > MOST_POINTS:
        chosen = np.sort(rng.choice(len(rows), MOST_POINTS, replace=False))
        rows, labels = rows[chosen], labels[chosen]
    centre, axes = project
    return Points(part, (rows - centre) @ axes, labels, caption)
