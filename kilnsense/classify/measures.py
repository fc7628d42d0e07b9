"""The measures of a comparison, by name, each a function of a `Tally` along any leading axes.

Classes are ordered (under-burnt, normal, over-burnt): a mistake by two states is worse than by one. Scores
are pooled: F1 is that of the summed counts of all folds of a repeat, which is less biased than the mean of
the folds' own F1 (Forman and Scholz 2010), and stays defined where a fold lacks a class.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilnsense.classify.tally import Tally

Floats = NDArray[np.float64]
Counts = NDArray[np.float64] | NDArray[np.int64]
Costs = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Measure:
    """One measure.

    Attributes:
        title: how people call it.
        value: tally and (C, C) costs (row: true class, column: class said) -> (...) values.
        higher: whether a higher value is better.
        scale: ``share`` 0..1, ``signed`` -1..1 or ``amount`` 0 and up; intervals keep within it.
    """

    title: str
    value: Callable[[Tally, Floats], Floats]
    higher: bool = True
    scale: str = "share"


def default_costs(classes: int) -> tuple[tuple[float, ...], ...]:
    """(C, C) costs of calling class i (row) class j (column), classes in order from cold to hot.

    The squared number of states between the two, twice where the kiln is taken for hotter than it is: the
    fuel is then cut on clinker that is under-burnt already. With three classes under taken for over costs 8,
    over taken for under 4, a neighbour 1 or 2.
    """
    return tuple(
        tuple(float((j - i) ** 2 * (2 if j > i else 1)) for j in range(classes)) for i in range(classes)
    )


def class_scores(confusion: Counts) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and F1 (..., C) of each class of (..., C, C) counts; 0 where nothing is divided."""
    right = np.asarray(np.diagonal(confusion, axis1=-2, axis2=-1), np.float64)
    said, true = confusion.sum(axis=-2), confusion.sum(axis=-1)
    return _ratio(right, said), _ratio(right, true), _ratio(2.0 * right, said + true)


def macro_f1(confusion: Counts) -> Floats:
    """(...) mean F1 over the classes that occur in truth or prediction, 0..1, of (..., C, C) counts."""
    there = confusion.sum(axis=-2) + confusion.sum(axis=-1) > 0
    return _ratio(class_scores(confusion)[2].sum(axis=-1), there.sum(axis=-1))


def balanced_accuracy(confusion: Counts) -> Floats:
    """(...) mean recall over the classes that occur in the truth, 0..1, of (..., C, C) counts."""
    there = confusion.sum(axis=-1) > 0
    return _ratio(class_scores(confusion)[1].sum(axis=-1), there.sum(axis=-1))


def weighted_kappa(confusion: Floats) -> Floats:
    """(...) quadratic-weighted kappa, -1..1 (Cohen 1968): 1 - sum(w O) / sum(w E), w = (i - j)^2.

    E are the counts expected by chance from the margins. 0 where truth and prediction are one and the same
    single class, so that nothing could be wrong.
    """
    gap = _steps(confusion.shape[-1]) ** 2
    total = confusion.sum(axis=(-2, -1), keepdims=True)
    chance = _ratio(confusion.sum(axis=-1)[..., :, None] * confusion.sum(axis=-2)[..., None, :], total)
    seen, expected = ((gap * table).sum(axis=(-2, -1)) for table in (confusion, chance))
    return np.where(expected > 0, 1.0 - _ratio(seen, expected), 0.0)


def calibration_error(bins: Floats) -> Floats:
    """(...) expected calibration error, 0..1, of (..., 3, BINS) counts (Guo et al. 2017, equation 3)."""
    gaps = np.abs(bins[..., 2, :] - bins[..., 1, :]).sum(axis=-1)
    return _ratio(gaps, bins[..., 0, :].sum(axis=-1))


def _mean_weight(confusion: Floats, weights: Floats) -> Floats:
    return _ratio((weights * confusion).sum(axis=(-2, -1)), confusion.sum(axis=(-2, -1)))


MEASURES: dict[str, Measure] = {
    "macro_f1": Measure("macro-F1", lambda tally, _: macro_f1(tally.confusion)),
    "balanced_accuracy": Measure("balanced accuracy", lambda tally, _: balanced_accuracy(tally.confusion)),
    "kappa": Measure(
        "quadratic-weighted kappa", lambda tally, _: weighted_kappa(tally.confusion), scale="signed"
    ),
    "state_error": Measure(
        "mean absolute state error",
        lambda tally, _: _mean_weight(tally.confusion, _steps(tally.confusion.shape[-1])),
        higher=False,
        scale="amount",
    ),
    "cost": Measure(
        "cost per frame",
        lambda tally, costs: _mean_weight(tally.confusion, costs),
        higher=False,
        scale="amount",
    ),
    "log_loss": Measure(
        "log-loss", lambda tally, _: _ratio(tally.log_loss, tally.frames), higher=False, scale="amount"
    ),
    "brier": Measure(
        "Brier score", lambda tally, _: _ratio(tally.brier, tally.frames), higher=False, scale="amount"
    ),
    "calibration_error": Measure(
        "calibration error (ECE)", lambda tally, _: calibration_error(tally.bins), higher=False
    ),
    "coverage": Measure("states named", lambda tally, _: _ratio(tally.accepted[..., 0], tally.frames)),
    "accepted_accuracy": Measure(
        "right of the named", lambda tally, _: _ratio(tally.accepted[..., 1], tally.accepted[..., 0])
    ),
}
"""Name to measure; all but `coverage` and `accepted_accuracy` are over all frames, named or not."""


def cost_table(costs: Costs, classes: int) -> Floats:
    """The (C, C) costs of a config as an array; `default_costs` where it has none."""
    return np.array(costs or default_costs(classes), dtype=np.float64)


def _steps(classes: int) -> Floats:
    """(C, C) number of states between two classes."""
    place = np.arange(classes, dtype=np.float64)
    return np.abs(place[:, None] - place)


def _ratio(over: Counts, under: Counts) -> Floats:
    """Element by element; 0 where nothing is divided by nothing."""
    over, under = np.broadcast_arrays(np.asarray(over, np.float64), np.asarray(under, np.float64))
    return np.divide(over, under, out=np.zeros(over.shape), where=under > 0)
