"""A block of columns in its own coordinates: damped, whitened principal components."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilnsense.classify.estimators import check_rows

Floats = NDArray[np.floating[Any]]
WIDE = 300
"""Blocks with more columns are raw pictures: they are not scaled by column and keep `PICTURE_AXES` axes."""
PICTURE_AXES = 20
KEPT_VARIANCE = 0.99
"""Of a narrow block, by its axes (and one more)."""
DAMPING = 0.01
"""Share of the largest variance added to each before whitening, so that noise axes do not shout."""


@dataclass(frozen=True, eq=False)
class Whitening:
    """Centred columns, scaled to unit deviation (unless wide), turned to principal axes, divided by widths.

    Attributes:
        centre, factor: (F,) float64, subtracted from and multiplied with the columns.
        axes: (F, K) float64, orthonormal.
        widths: (K,) float64, above 0: sqrt(variance along the axis + `DAMPING` * the largest).
        leftover: mean squared length of training rows outside the axes, above 0.
    """

    centre: NDArray[np.float64]
    factor: NDArray[np.float64]
    axes: NDArray[np.float64]
    widths: NDArray[np.float64]
    leftover: float

    def whitened(self, rows: Floats) -> NDArray[np.float64]:
        """(N, K) of (N, F) rows. Raises InputError for NaN or other columns."""
        result: NDArray[np.float64] = self._scaled(rows) @ self.axes / self.widths
        return result

    def outside(self, rows: Floats) -> NDArray[np.float64]:
        """(N,) squared length outside the axes, divided by that of the training rows; 0 and up."""
        scaled = self._scaled(rows)
        inside = ((scaled @ self.axes) ** 2).sum(axis=1)
        result: NDArray[np.float64] = np.maximum((scaled**2).sum(axis=1) - inside, 0.0) / self.leftover
        return result

    def _scaled(self, rows: Floats) -> NDArray[np.float64]:
        return (check_rows(rows, columns=len(self.centre)) - self.centre) * self.factor


def fit_whitening(rows: Floats) -> Whitening:
    """Learns a `Whitening` from (N, F) training rows. Raises InputError for NaN."""
    table = check_rows(rows)
    centre = table.mean(axis=0)
    wide = table.shape[1] > WIDE
    deviation = table.std(axis=0)
    steady = wide | (deviation < 1e-6)
    factor = np.where(steady, 1.0, 1.0 / np.where(steady, 1.0, deviation))
    _, lengths, axes = np.linalg.svd((table - centre) * factor, full_matrices=False)
    variance = lengths**2 / len(table)
    share = np.cumsum(variance) / max(float(variance.sum()), 1e-12)
    keep = min(PICTURE_AXES if wide else int(np.searchsorted(share, KEPT_VARIANCE)) + 1, len(variance))
    return Whitening(
        centre=centre,
        factor=factor,
        axes=np.ascontiguousarray(axes[:keep].T),
        widths=np.sqrt(variance[:keep] + DAMPING * variance[0] + 1e-12),
        leftover=float(variance[keep:].sum() + 0.01 * variance.mean()) + 1e-9,
    )
