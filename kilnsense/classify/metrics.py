"""Measures of classifiers: labels are class indices 0..C-1, probabilities (N, C) in that order.

Accuracy alone misleads for unequal classes, so there is none here: `balanced_accuracy` and `macro_f1` weigh
every class alike.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from kilnsense.classify.measures import balanced_accuracy as balanced_accuracy_of
from kilnsense.classify.measures import calibration_error
from kilnsense.classify.measures import macro_f1 as macro_f1_of
from kilnsense.classify.tally import count
from kilnsense.errors import InputError

Labels = NDArray[np.integer[Any]]
Floats = NDArray[np.floating[Any]]


def confusion(truth: Labels, predicted: Labels, *, classes: int) -> NDArray[np.int64]:
    """(C, C) counts; entry (i, j) = frames of true class i that were called j. Raises InputError."""
    truth, predicted = _pair(truth, predicted, classes)
    counts = confusion_matrix(truth, predicted, labels=np.arange(classes))
    return np.asarray(counts, dtype=np.int64)


def balanced_accuracy(truth: Labels, predicted: Labels, *, classes: int) -> float:
    """Mean recall over the classes that occur in `truth`, 0..1. Raises InputError."""
    return float(balanced_accuracy_of(confusion(truth, predicted, classes=classes)))


def macro_f1(truth: Labels, predicted: Labels, *, classes: int) -> float:
    """Mean F1 = 2 P R / (P + R) over the classes that occur in truth or prediction, 0..1."""
    return float(macro_f1_of(confusion(truth, predicted, classes=classes)))


def coverage(accepted: NDArray[np.bool_]) -> float:
    """Share of the frames for which a state was named, 0..1; 0 for no frames."""
    return float(np.mean(accepted)) if len(accepted) else 0.0


def accepted_accuracy(truth: Labels, predicted: Labels, accepted: NDArray[np.bool_]) -> float:
    """Share of right answers among the accepted frames, 0..1; 1 where none was accepted (none was wrong)."""
    if not np.any(accepted):
        return 1.0
    return float(np.mean(np.asarray(truth)[accepted] == np.asarray(predicted)[accepted]))


def expected_calibration_error(truth: Labels, probabilities: Floats) -> float:
    """sum_b n_b / N * |accuracy_b - mean confidence_b| over ten bins of the largest probability, 0..1.

    Guo et al. 2017, equation 3; bin b holds confidences in ((b - 1) / 10, b / 10].
    """
    table = _checked(truth, probabilities)
    rows = len(table)
    tally = count(truth, table, np.zeros(rows, bool), np.zeros(rows, np.intp), places=1)
    return float(calibration_error(tally.bins)[0])


def _pair(truth: Labels, predicted: Labels, classes: int) -> tuple[Labels, Labels]:
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.ndim != 1 or truth.shape != predicted.shape or len(truth) == 0:
        raise InputError(
            f"metrics: got labels {truth.shape} and predictions {predicted.shape}, allowed: (N,) each, N > 0"
        )
    for what, values in (("labels", truth), ("predictions", predicted)):
        if values.min() < 0 or values.max() >= classes:
            raise InputError(f"metrics {what}: got {values.min()}..{values.max()}, allowed: 0..{classes - 1}")
    return truth, predicted


def _checked(truth: Labels, probabilities: Floats) -> NDArray[np.float64]:
    table = np.asarray(probabilities, dtype=np.float64)
    if table.ndim != 2 or len(table) != len(truth) or len(table) == 0:
        raise InputError(
            f"metrics: got {len(truth)} labels and probabilities {table.shape}, allowed: (N, C), N > 0"
        )
    _pair(truth, truth, table.shape[1])
    return table
