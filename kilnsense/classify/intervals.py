"""95 % confidence intervals of scores: a bootstrap over groups, made to hold for few of them.

Frames of one camera run repeat each other, so whole groups are drawn, not frames. What the interval is meant
to hold is the score that models trained like these would reach on an endless supply of new groups. The plain
percentile bootstrap holds it far too rarely where there are few groups (82 to 90 % of the time with 12 to 31
of them). Three things mend that, and `pipelines/honest_intervals.py` measures how well:

- the deviation of the bootstrap is widened by sqrt(G / (G - C)): G groups lie in C classes, and Student's t
  with G - C degrees of freedom stands in for the normal distribution;
- its variance is multiplied by 1 + n_test / n_train, as in the corrected test of Nadeau and Bengio (2003):
  other groups would also have trained other models;
- the interval is drawn on a scale on which the measure has no ends (logit, atanh or logarithm).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit, logit

from kilnsense.classify.measures import Measure
from kilnsense.classify.tally import Tally

Floats = NDArray[np.float64]
DRAWS = 2000
LEVEL = 0.95
MOST_STRETCH = 50.0
"""Of a logarithm; an interval that reaches that far says nothing, and must still be a number."""


@dataclass(frozen=True)
class Interval:
    """An estimate, and the ends between which the truth is expected."""

    value: float
    low: float
    high: float


def interval(
    tally: Tally, measure: Measure, costs: Floats, *, test_share: float, rng: np.random.Generator
) -> Interval:
    """The mean of a measure over the repeats, and its 95 % interval.

    Args:
        tally: (R, G, ...), one entry per repeat and group.
        measure: what is measured.
        costs: (C, C), see `Measure`.
        test_share: n_test / n_train of a fold.
        rng: draws the groups; the same state gives the same interval.
    """
    groups, classes = tally.confusion.shape[1], tally.confusion.shape[-1]
    value = float(measure.value(tally.summed(1), costs).mean())
    weights = rng.multinomial(groups, np.full(groups, 1.0 / groups), size=DRAWS)
    drawn = measure.value(tally.weighted(weights), costs).mean(axis=1)
    freedom = max(1, groups - classes)
    error = float(drawn.std(ddof=1)) * np.sqrt(groups / freedom * (1.0 + test_share))
    reach = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * error
    worst = max(float(costs.max()), classes - 1.0) if measure.scale == "amount" else 1.0
    return Interval(value, *_ends(value, reach, groups, measure.scale, worst))


def _ends(value: float, reach: float, groups: int, scale: str, worst: float) -> tuple[float, float]:
    """The interval value +- reach, bent so that it stays on the scale of the measure.

    `worst` is what a frame may add to an amount; it counts where no group has shown any.
    """
    # Where every group says the same, G groups without an exception allow this share of exceptions.
    unseen = 1.0 - float(((1 - LEVEL) / 2) ** (1.0 / groups))
    if scale == "amount":
        if reach <= 0 or value <= 0:
            return value, value + unseen * worst
        stretch = float(np.exp(min(reach / value, MOST_STRETCH)))
        return value / stretch, value * stretch
    bottom, top = (-1.0, 1.0) if scale == "signed" else (0.0, 1.0)
    place = (value - bottom) / (top - bottom)
    if reach <= 0 or not 0.0 < place < 1.0:
        return max(bottom, value - unseen * (top - bottom)), min(top, value + unseen * (top - bottom))
    stretch = reach / (top - bottom) / (place * (1 - place))
    low, high = (float(expit(logit(place) + side * stretch)) for side in (-1, 1))
    return bottom + low * (top - bottom), bottom + high * (top - bottom)
