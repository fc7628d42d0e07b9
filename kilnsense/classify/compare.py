"""Whether one classifier is better than another: corrected tests on the same folds, and tiers.

Folds of a repeated cross-validation share most of their training frames, so a plain paired t-test calls far
too many differences real. Nadeau and Bengio (2003) widen its variance: with J folds, n_train and n_test,

    t = mean(d) / sqrt((1 / J + n_test / n_train) var(d)),   J - 1 degrees of freedom.

The differences d are those of `fold_values`, so their mean is exactly the difference of the two pooled
scores that the table shows.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from kilnsense.classify.measures import Measure
from kilnsense.classify.tally import Tally
from kilnsense.errors import InputError

Floats = NDArray[np.float64]
ALPHA = 0.05


@dataclass(frozen=True)
class Difference:
    """How far one classifier is ahead of another.

    Attributes:
        first, second: their names; `first` is the better one by the estimate.
        lead: how much better, 0 and up, in units of the measure.
        low, high: 95 % interval of the lead, by the corrected test.
        p: of the corrected test, two-sided.
        p_holm: the same, corrected for the number of pairs that were tested together (Holm 1979).
    """

    first: str
    second: str
    lead: float
    low: float
    high: float
    p: float
    p_holm: float

    @property
    def real(self) -> bool:
        """Whether the two are told apart."""
        return self.p_holm < ALPHA


def fold_values(folds: Tally, measure: Measure, costs: Floats) -> Floats:
    """(R, K) what each of K folds contributes to the pooled score of its repeat; their mean is that score.

    A fold's value is the pooled score plus (K - 1) times what leaving it out takes away, centred. For a mean
    over frames and folds of equal size that is the fold's own score; for F1 it stays defined, and calm,
    where a small fold lacks a class.

    Args:
        folds: (R, K, ...) tally, one entry per fold.
        measure, costs: see `Measure`.
    """
    pooled = measure.value(folds.summed(1), costs)[:, None]
    left = measure.value(folds.without(1), costs)
    count = left.shape[1]
    values: Floats = pooled + (count - 1) * (left.mean(axis=1, keepdims=True) - left)
    return values


def corrected_test(differences: Floats, *, test_share: float) -> tuple[float, float, float]:
    """The corrected resampled t-test of Nadeau and Bengio (2003).

    Args:
        differences: (J,) of two classifiers on the same folds, J of 2 or more.
        test_share: n_test / n_train.

    Returns:
        The two-sided p, and the ends of the 95 % interval of the mean difference.

    Raises:
        InputError: fewer than two folds.
    """
    count = len(differences)
    if count < 2:
        raise InputError(f"corrected test: got {count} folds, allowed: 2 and up")
    mean = float(differences.mean())
    error = float(np.sqrt((1.0 / count + test_share) * differences.var(ddof=1)))
    if error < 1e-12 * max(1.0, abs(mean)):  # all folds say the same
        return (1.0 if abs(mean) < 1e-12 else 0.0), mean, mean
    reach = float(stats.t.ppf(1 - ALPHA / 2, count - 1)) * error
    return float(2 * stats.t.sf(abs(mean) / error, count - 1)), mean - reach, mean + reach


def holm(p: Sequence[float]) -> list[float]:
    """The p values of tests made together, corrected by the step-down of Holm (1979), 0..1."""
    corrected, least = [0.0] * len(p), 0.0
    for place, index in enumerate(sorted(range(len(p)), key=lambda index: p[index])):
        least = max(least, min(1.0, (len(p) - place) * p[index]))
        corrected[index] = least
    return corrected


def differences(
    values: dict[str, Floats],
    pairs: Sequence[tuple[str, str]],
    *,
    higher: bool,
    test_share: float,
) -> list[Difference]:
    """The corrected test of each pair, Holm's correction over all of them.

    Args:
        values: name to the (R, K) values of its folds, see `fold_values`.
        pairs: which names to compare.
        higher: whether a higher value is better.
        test_share: n_test / n_train.
    """
    sign = 1.0 if higher else -1.0
    found = []
    for one, other in pairs:
        ahead = sign * (values[one] - values[other]).ravel()
        first, second = (one, other) if ahead.mean() >= 0 else (other, one)
        lead = ahead if first == one else -ahead
        p, low, high = corrected_test(lead, test_share=test_share)
        found.append((first, second, float(lead.mean()), low, high, p))
    return [
        Difference(*parts, p_holm)
        for parts, p_holm in zip(found, holm([parts[-1] for parts in found]), strict=True)
    ]


def all_pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Every pair once."""
    return list(itertools.combinations(names, 2))


def tiers(ordered: Sequence[str], found: Sequence[Difference]) -> dict[str, int]:
    """Name to tier, 1 and up, never falling down the order: the first that is told apart from the best of a
    tier begins the next one.

    Args:
        ordered: names, best first.
        found: the differences of pairs of them; a pair that was not tested is not told apart.
    """
    apart = {frozenset((one.first, one.second)) for one in found if one.real}
    tier: dict[str, int] = {}
    best, number = "", 0
    for name in ordered:
        if not best or frozenset((best, name)) in apart:
            best, number = name, number + 1
        tier[name] = number
    return tier
