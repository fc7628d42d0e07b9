"""Counts of what was said of frames, group by group: all that the measures of a comparison need.

Every measure of `kilnsense.classify.measures` is a function of sums over frames. So a bootstrap over groups,
or a fold left out, adds and subtracts small tables, and never looks at a frame again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import InputError

Floats = NDArray[np.float64]
BINS = 10
"""Of the largest probability, equal in width, for calibration: bin b holds ((b - 1) / BINS, b / BINS]."""
SMALLEST = 1e-12
"""Probabilities are lifted to this before the logarithm."""


@dataclass(frozen=True, eq=False)
class Tally:
    """Sums over frames, along any leading axes "..." such as (repeats, groups).

    Attributes:
        confusion: (..., C, C) frames of true class i that were called j.
        log_loss: (...) sum of -ln(probability of the true class).
        brier: (...) sum of the squared distances to the true class over all classes, 0..2 each.
        bins: (..., 3, BINS) frames, sum of the largest probability, and right ones, per bin of it.
        accepted: (..., 2) frames whose state was named, and right ones among them.
    """

    confusion: Floats
    log_loss: Floats
    brier: Floats
    bins: Floats
    accepted: Floats

    @property
    def frames(self) -> Floats:
        """(...) number of frames."""
        result: Floats = self.confusion.sum(axis=(-2, -1))
        return result

    def summed(self, axis: int) -> Self:
        """Added up along a leading axis, counted from the front."""
        return self._each(lambda values: values.sum(axis=axis))

    def without(self, axis: int) -> Self:
        """All sums along a leading axis, each with one entry of that axis left out."""
        return self._each(lambda values: values.sum(axis=axis, keepdims=True) - values)

    def weighted(self, weights: NDArray[np.number[Any]]) -> Self:
        """(B, R, ...) sums of an (R, G, ...) tally in which the G groups count (B, G) times."""
        return self._each(lambda values: np.einsum("bg,rg...->br...", weights, values))

    def _each(self, change: Callable[[Floats], Floats]) -> Self:
        return type(self)(*(change(getattr(self, field.name)) for field in fields(self)))


def count(
    truth: NDArray[np.integer[Any]],
    probabilities: NDArray[np.floating[Any]],
    accepted: NDArray[np.bool_],
    place: NDArray[np.integer[Any]],
    *,
    places: int,
) -> Tally:
    """The (places, ...) tally of N frames.

    Args:
        truth: (N,) class indices 0..C-1.
        probabilities: (N, C), rows sum to 1; the largest is what was said.
        accepted: (N,) whether the state was named.
        place: (N,) the group, or the fold, of each frame: 0..places-1.
        places: how many there are; one without frames has zeros.

    Raises:
        InputError: lengths that do not fit, NaN, labels or places out of range.
    """
    table, truth = np.asarray(probabilities, np.float64), np.asarray(truth, np.intp)
    place = np.asarray(place, np.intp)
    _check(truth, table, accepted, place, places)
    rows = np.arange(len(truth))
    classes = table.shape[1]
    said, confidence = table.argmax(axis=1), table.max(axis=1)
    right = said == truth
    slot = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    confusion, bins = np.zeros((places, classes, classes)), np.zeros((places, 3, BINS))
    log_loss, brier, named = np.zeros(places), np.zeros(places), np.zeros((places, 2))
    np.add.at(confusion, (place, truth, said), 1.0)
    np.add.at(log_loss, place, -np.log(np.maximum(table[rows, truth], SMALLEST)))
    np.add.at(brier, place, ((table - np.eye(classes)[truth]) ** 2).sum(axis=1))
    for what, values in enumerate((np.ones(len(truth)), confidence, right)):
        np.add.at(bins[:, what], (place, slot), values)
    np.add.at(named[:, 0], place, accepted)
    np.add.at(named[:, 1], place, accepted & right)
    return Tally(confusion, log_loss, brier, bins, named)


def stack(tallies: Sequence[Tally]) -> Tally:
    """Tallies of one shape along a new first axis, such as the repeats."""
    names = [field.name for field in fields(Tally)]
    return Tally(*(np.stack([getattr(one, name) for one in tallies]) for name in names))


def _check(
    truth: NDArray[np.integer[Any]],
    table: Floats,
    accepted: NDArray[np.bool_],
    place: NDArray[np.integer[Any]],
    places: int,
) -> None:
    rows = len(truth)
    if table.ndim != 2 or not rows == len(table) == len(accepted) == len(place) or rows == 0:
        raise InputError(
            f"tally: got {rows} labels, probabilities {table.shape}, {len(accepted)} verdicts and "
            f"{len(place)} places, allowed: N of each, N > 0"
        )
    if not np.isfinite(table).all():
        raise InputError("tally: got NaN or infinite probabilities, allowed: 0..1")
    for what, values, most in (("labels", truth, table.shape[1]), ("places", place, places)):
        if values.min() < 0 or values.max() >= most:
            raise InputError(f"tally {what}: got {values.min()}..{values.max()}, allowed: 0..{most - 1}")
