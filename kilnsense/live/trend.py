"""Where the burning drifts: a robust slope of the class position over the last minutes.

The class position of a frame is the expected index of its class, from 0 for the coldest to K - 1. Positions
are averaged in bins, and the slope is the median of the slopes between all pairs of bins (Theil 1950, Sen
1968), so that a minute of dust cannot turn it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kilnsense.types.live import STEADY

BINS = 20
"""Bins over the time that a drift is judged over: half a minute each by default."""
SEEN_SHARE = 0.6
"""Of the bins; below it nothing is said."""
DEAD_BAND = 0.25
"""Class positions over that time; a smaller drift is none. On rendered days that settings are chosen on
(`pipelines/live_decisions.py --seed 100`) 4 to 7 % of the moments with a still bed passed it, and 56 to 59 %
of those with a moving one on the right side."""


@dataclass(frozen=True)
class Bin:
    """Frames of a short stretch of time: which stretch, the sum of their class positions, how many."""

    number: int
    total: float
    frames: int


def add(
    bins: tuple[Bin, ...], at: float, probabilities: Sequence[float], *, trend_s: float
) -> tuple[Bin, ...]:
    """The bins with one more frame, taken at `at` (monotonic seconds), and without those of too long ago."""
    number = math.floor(at * BINS / trend_s)
    position = float(np.arange(len(probabilities)) @ np.asarray(probabilities))
    if bins and bins[-1].number == number:
        newest = bins[-1]
        return (*bins[:-1], Bin(number, newest.total + position, newest.frames + 1))
    return (*(old for old in bins if old.number > number - BINS), Bin(number, position, 1))


def drift(bins: Sequence[Bin], now: float, *, trend_s: float) -> float | None:
    """Class positions that are gained (below 0: lost) over `trend_s`; None where too little was seen."""
    newest = math.floor(now * BINS / trend_s)
    seen = [old for old in bins if newest - BINS < old.number <= newest]
    if len(seen) < SEEN_SHARE * BINS:
        return None
    numbers = np.array([old.number for old in seen], float)
    means = np.array([old.total / old.frames for old in seen])
    first, second = np.triu_indices(len(seen), 1)
    slopes = (means[second] - means[first]) / (numbers[second] - numbers[first])
    return float(np.median(slopes)) * BINS


def trend(gained: float | None, classes: Sequence[str], best: int) -> str:
    """The class that a drift leads to from class number `best`; `STEADY`; or "" where it cannot be said."""
    if gained is None:
        return ""
    if abs(gained) < DEAD_BAND:
        return STEADY
    towards = best + (1 if gained > 0 else -1)
    return classes[min(max(towards, 0), len(classes) - 1)]
