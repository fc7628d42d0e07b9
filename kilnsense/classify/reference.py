"""What is known of the training rows of one block, and how far a new row lies from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf

from kilnsense.classify.whiten import Whitening, fit_whitening

Floats = NDArray[np.floating[Any]]
SIGNALS = ("near", "spread", "rest")
"""The columns of `Reference.signals`."""
NEIGHBOURS = 5
MOST_ROWS = 2000
"""More training rows than this are thinned evenly for the neighbour search."""


@dataclass(frozen=True, eq=False)
class Reference:
    """The training rows of one block.

    Attributes:
        space: its coordinates.
        rows: (M, K) float64 whitened training rows, thinned.
        means: (C, K) float64 whitened class means, of the classes that occur.
        precision: (K, K) float64 inverse of the shrunken covariance within classes, whitened coordinates.
    """

    space: Whitening
    rows: NDArray[np.float64]
    means: NDArray[np.float64]
    precision: NDArray[np.float64]

    def signals(self, rows: Floats) -> NDArray[np.float64]:
        """(N, 3) near, spread and rest of (N, F) rows, 0 and up. Raises InputError."""
        white = self.space.whitened(rows)
        width = white.shape[1]
        away = white[:, None, :] - self.means
        squared = np.einsum("nck,kl,ncl->nc", away, self.precision, away).min(axis=1)
        return np.stack(
            [
                _nearest(white, self.rows) / np.sqrt(width),
                np.sqrt(np.maximum(squared, 0.0) / width),
                np.log1p(self.space.outside(rows)),
            ],
            axis=1,
        )

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """The fields by name, as arrays."""
        space = {name: getattr(self.space, name) for name in ("centre", "factor", "axes", "widths")}
        own = {"rows": self.rows, "means": self.means, "precision": self.precision}
        return space | own | {"leftover": np.array([self.space.leftover])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """What `to_arrays` gave. Raises KeyError naming a missing field."""
        fields = ("centre", "factor", "axes", "widths", "rows", "means", "precision")
        plain = {name: np.asarray(arrays[name], dtype=np.float64) for name in fields}
        space = Whitening(
            plain["centre"], plain["factor"], plain["axes"], plain["widths"], float(arrays["leftover"][0])
        )
        return cls(space, plain["rows"], plain["means"], plain["precision"])


def fit_reference(rows: Floats, labels: NDArray[np.integer[Any]]) -> Reference:
    """Learns a `Reference` from (N, F) training rows and N class indices. Raises InputError for NaN."""
    space = fit_whitening(rows)
    white = space.whitened(rows)
    classes, index = np.unique(labels, return_inverse=True)
    means = np.stack([white[index == c].mean(axis=0) for c in range(len(classes))])
    within, _ = ledoit_wolf(white - means[index], assume_centered=True)
    precision = np.linalg.inv(within + 1e-6 * np.eye(len(within)))
    return Reference(space, white[:: -(-len(white) // MOST_ROWS)], means, precision)


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
