"""What is known of the training rows of one block, and how far a new row lies from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf

from kilnsense.classify.estimators import check_rows

Floats = NDArray[np.floating[Any]]
SIGNALS = ("near", "spread", "rest")
"""The columns of `Reference.signals`."""
NEIGHBOURS = 5
WIDE = 300
"""Blocks with more columns are raw pictures: they are not scaled by column and keep `PICTURE_AXES` axes."""
PICTURE_AXES = 20
KEPT_VARIANCE = 0.99
"""Of a narrow block, by its axes."""
DAMPING = 0.01
"""Share of the largest variance added to each before whitening, so that noise axes do not shout."""
MOST_ROWS = 2000
"""More training rows than this are thinned evenly for the neighbour search."""


@dataclass(frozen=True, eq=False)
class Reference:
    """The training rows of one block, in its own coordinates. All arrays float64.

    Attributes:
        centre, factor: (F,) subtracted from and multiplied with the columns.
        axes: (F, K) orthonormal principal axes of the scaled rows.
        widths: (K,) damped standard deviation along each axis.
        leftover: mean squared length of training rows outside the axes, above 0.
        rows: (M, K) whitened training rows, thinned.
        means: (C, K) whitened class means, of the classes that occur.
        precision: (K, K) inverse of the shrunken covariance within classes, in whitened coordinates.
    """

    centre: NDArray[np.float64]
    factor: NDArray[np.float64]
    axes: NDArray[np.float64]
    widths: NDArray[np.float64]
    leftover: float
    rows: NDArray[np.float64]
    means: NDArray[np.float64]
    precision: NDArray[np.float64]

    def signals(self, rows: Floats) -> NDArray[np.float64]:
        """(N, 3) near, spread and rest of (N, F) rows, 0 and up. Raises InputError."""
        scaled = (check_rows(rows, columns=len(self.centre)) - self.centre) * self.factor
        along = scaled @ self.axes
        white = along / self.widths
        width = white.shape[1]
        beside = np.maximum((scaled**2).sum(axis=1) - (along**2).sum(axis=1), 0.0)
        away = white[:, None, :] - self.means
        squared = np.einsum("nck,kl,ncl->nc", away, self.precision, away).min(axis=1)
        return np.stack(
            [
                _nearest(white, self.rows) / np.sqrt(width),
                np.sqrt(np.maximum(squared, 0.0) / width),
                np.log1p(beside / self.leftover),
            ],
            axis=1,
        )

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """The fields by name, as arrays."""
        fields = ("centre", "factor", "axes", "widths", "rows", "means", "precision")
        return {name: getattr(self, name) for name in fields} | {"leftover": np.array([self.leftover])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """What `to_arrays` gave. Raises KeyError naming a missing field."""
        fields = ("centre", "factor", "axes", "widths", "rows", "means", "precision")
        plain = {name: np.asarray(arrays[name], dtype=np.float64) for name in fields}
        return cls(leftover=float(arrays["leftover"][0]), **plain)


def fit_reference(rows: Floats, labels: NDArray[np.integer[Any]]) -> Reference:
    """Learns a `Reference` from (N, F) training rows and N class indices. Raises InputError for NaN."""
    table = check_rows(rows)
    centre = table.mean(axis=0)
    wide = table.shape[1] > WIDE
    deviation = table.std(axis=0)
    factor = (
        np.ones_like(centre) if wide else np.where(deviation > 1e-6, 1.0 / np.maximum(deviation, 1e-6), 1.0)
    )
    scaled = (table - centre) * factor
    _, lengths, axes = np.linalg.svd(scaled, full_matrices=False)
    variance = lengths**2 / len(table)
    share = np.cumsum(variance) / max(variance.sum(), 1e-12)
    keep = min(PICTURE_AXES if wide else int(np.searchsorted(share, KEPT_VARIANCE)) + 1, len(variance))
    widths = np.sqrt(variance[:keep] + DAMPING * variance[0] + 1e-12)
    white = scaled @ axes[:keep].T / widths
    classes, index = np.unique(labels, return_inverse=True)
    means = np.stack([white[index == c].mean(axis=0) for c in range(len(classes))])
    within, _ = ledoit_wolf(white - means[index], assume_centered=True)
    within += 1e-6 * np.eye(keep)
    return Reference(
        centre=centre,
        factor=factor,
        axes=axes[:keep].T,
        widths=widths,
        leftover=float(variance[keep:].sum()) + 0.01 * float(variance.sum()) / len(variance) + 1e-9,
        rows=white[:: -(-len(white) // MOST_ROWS)],
        means=means,
        precision=np.linalg.inv(within),
    )


def _nearest(white: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) mean Euclidean distance to the `NEIGHBOURS` nearest known rows, in portions of 512 rows."""
    count = min(NEIGHBOURS, len(known))
    result = np.zeros(len(white))
    for start in range(0, len(white), 512):
        part = white[start : start + 512]
        squared = (part**2).sum(axis=1)[:, None] + (known**2).sum(axis=1) - 2.0 * part @ known.T
        closest = np.partition(np.maximum(squared, 0.0), count - 1, axis=1)[:, :count]
        result[start : start + 512] = np.sqrt(closest).mean(axis=1)
    return result
