"""Calibration of class probabilities, fitted on frames of left-out groups.

p' = softmax(ln p / temperature + bias), then a share of `doubt` of the uniform distribution is mixed in.
Temperature scaling after Guo et al. 2017; the bias is the diagonal-free part of vector scaling.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from kilnsense.classify.estimators import softmax
from kilnsense.errors import InputError
from kilnsense.types.checks import expect

Floats = NDArray[np.floating[Any]]
SMALLEST = 1e-4
"""Raw probabilities are lifted to this before the logarithm: kNN and forests say 0 too lightly."""
PRIOR_TEMPERATURE = 1.0
"""Standard deviation of ln(temperature) before any frame was seen."""
PRIOR_BIAS = 0.1
"""Standard deviation of a class bias before any frame was seen; the classes are already balanced."""


@dataclass(frozen=True)
class Calibration:
    """How raw probabilities become calibrated ones.

    Attributes:
        temperature: above 0; above 1 means that the classifier was too sure.
        bias: one per class, added to the logarithms.
        doubt: share of the uniform distribution that is mixed in, 0..1 (both ends left out for fitted ones).
    """

    temperature: float
    bias: tuple[float, ...]
    doubt: float

    def __post_init__(self) -> None:
        expect(
            bool(np.isfinite(self.temperature)) and self.temperature > 0,
            "Calibration.temperature",
            self.temperature,
            "above 0",
        )
        expect(bool(np.isfinite(self.bias).all()), "Calibration.bias", self.bias, "finite numbers")
        expect(0.0 <= self.doubt <= 1.0, "Calibration.doubt", self.doubt, "0..1")

    def apply(self, probabilities: Floats) -> NDArray[np.float64]:
        """(N, C) calibrated probabilities; rows sum to 1, no value is 0 or 1. Raises InputError."""
        table = _table(probabilities, len(self.bias))
        if not len(table):
            return table
        scaled = softmax(np.log(np.maximum(table, SMALLEST)) / self.temperature + np.array(self.bias))
        return (1.0 - self.doubt) * scaled + self.doubt / len(self.bias)


def fit_calibration(
    probabilities: Floats, labels: NDArray[np.integer[Any]], groups: Sequence[str]
) -> Calibration:
    """Fits temperature and biases to out-of-fold probabilities by penalised likelihood.

    Every group counts once, however many frames it has: frames of one run repeat each other. With G groups
    `doubt` is 1 / (2 (G + 1)): no more certainty than that many runs can show.

    Args:
        probabilities: (N, C) of classifiers that did not see the group of the frame.
        labels: (N,) class indices 0..C-1.
        groups: N group names.

    Raises:
        InputError: shapes that do not fit, NaN, labels outside 0..C-1, no rows.
    """
    table = _table(probabilities, None)
    count, classes = table.shape
    labels = np.asarray(labels)
    if not (count == len(labels) == len(groups)) or count == 0:
        raise InputError(
            f"calibration: got {count} rows, {len(labels)} labels, {len(groups)} groups, "
            "allowed: as many of each, above 0"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(f"calibration labels: got {labels.min()}..{labels.max()}, allowed: 0..{classes - 1}")
    _, index, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    weights = 1.0 / sizes[index]
    logs = np.log(np.maximum(table, SMALLEST))
    target = np.eye(classes)[labels]

    def objective(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        stretch, bias = np.exp(-parameters[0]), parameters[1:]
        fitted = softmax(logs * stretch + bias)
        loss = -(weights * np.log(fitted[np.arange(count), labels])).sum()
        slope = weights[:, None] * (fitted - target)
        penalty = (parameters[0] / PRIOR_TEMPERATURE) ** 2 / 2 + ((bias / PRIOR_BIAS) ** 2).sum() / 2
        gradient = np.concatenate([[-(slope * logs).sum() * stretch], slope.sum(axis=0)])
        gradient[0] += parameters[0] / PRIOR_TEMPERATURE**2
        gradient[1:] += bias / PRIOR_BIAS**2
        return float(loss + penalty), gradient

    bounds = [(np.log(0.2), np.log(20.0))] + [(-2.0, 2.0)] * classes
    best = minimize(objective, np.zeros(1 + classes), jac=True, method="L-BFGS-B", bounds=bounds).x
    return Calibration(
        temperature=float(np.exp(best[0])),
        bias=tuple(float(value) for value in best[1:]),
        doubt=1.0 / (2.0 * (len(sizes) + 1)),
    )


def _table(probabilities: Floats, classes: int | None) -> NDArray[np.float64]:
    table = np.asarray(probabilities, dtype=np.float64)
    if table.ndim != 2 or (classes is not None and table.shape[1] != classes):
        wanted = "(N, C)" if classes is None else f"(N, {classes})"
        raise InputError(f"calibration probabilities: got shape {table.shape}, allowed: {wanted}")
    if not np.isfinite(table).all() or (table < 0).any():
        raise InputError("calibration probabilities: got NaN or negative values, allowed: 0..1")
    return table
