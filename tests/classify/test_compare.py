"""The corrected test, Holm's correction, fold values and tiers."""

import numpy as np
import pytest
from scipy import stats

from kilnsense.classify.compare import (
    Difference,
    all_pairs,
    corrected_test,
    differences,
    fold_values,
    holm,
    tiers,
)
from kilnsense.classify.measures import MEASURES, cost_table
from kilnsense.classify.tally import count, stack
from kilnsense.errors import InputError

COSTS = cost_table((), 3)


def test_without_a_training_share_it_is_the_paired_t_test() -> None:
    gaps = np.random.default_rng(0).normal(0.3, 1, 10)
    p, low, high = corrected_test(gaps, test_share=0.0)
    theirs = stats.ttest_1samp(gaps, 0)
    assert p == pytest.approx(theirs.pvalue)
    assert (low, high) == pytest.approx(tuple(theirs.confidence_interval(0.95)))


def test_the_correction_is_that_of_nadeau_and_bengio() -> None:
    gaps = np.array([0.02, 0.05, 0.03, 0.01, 0.04, 0.03, 0.02, 0.06, 0.00, 0.04])
    p, low, high = corrected_test(gaps, test_share=0.25)
    t = gaps.mean() / np.sqrt((1 / 10 + 0.25) * gaps.var(ddof=1))
    assert p == pytest.approx(2 * stats.t.sf(t, 9))
    assert low < 0.03 < high
    assert high - low == pytest.approx(2 * stats.t.ppf(0.975, 9) * gaps.mean() / t)
    assert p > stats.ttest_1samp(gaps, 0).pvalue


def test_folds_that_all_say_the_same() -> None:
    assert corrected_test(np.zeros(6), test_share=0.25) == (1.0, 0.0, 0.0)
    assert corrected_test(np.full(6, 0.1), test_share=0.25) == pytest.approx((0.0, 0.1, 0.1))
    with pytest.raises(InputError, match="got 1 folds, allowed: 2 and up"):
        corrected_test(np.zeros(1), test_share=0.25)


def test_holm_steps_down() -> None:
    # Worked by hand: sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, never falling.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def tallies(seed: int, frames: int, folds: int = 5) -> "object":
    rng = np.random.default_rng(seed)
    repeats = []
    for _ in range(2):
        truth = np.arange(folds * frames) % 3
        table = rng.dirichlet((1, 1, 1), len(truth)) + 0.5 * np.eye(3)[truth]
        table /= table.sum(axis=1, keepdims=True)
        place = np.repeat(np.arange(folds), frames)
        repeats.append(count(truth, table, np.ones(len(truth), bool), place, places=folds))
    return stack(repeats)


@pytest.mark.parametrize("name", MEASURES)
def test_the_mean_of_the_fold_values_is_the_pooled_score(name: str) -> None:
    folds = tallies(0, 9)
    values = fold_values(folds, MEASURES[name], COSTS)  # type: ignore[arg-type]
    assert values.shape == (2, 5)
    pooled = MEASURES[name].value(folds.summed(1), COSTS)  # type: ignore[attr-defined]
    np.testing.assert_allclose(values.mean(axis=1), pooled)


def test_of_a_mean_over_frames_the_fold_value_is_the_score_of_the_fold() -> None:
    folds = tallies(1, 12)
    values = fold_values(folds, MEASURES["cost"], COSTS)  # type: ignore[arg-type]
    own = MEASURES["cost"].value(folds, COSTS)  # type: ignore[arg-type]
    np.testing.assert_allclose(values, own)
    assert own.std() > 0


def test_a_better_classifier_comes_first_whichever_way_the_measure_points() -> None:
    values = {"a": np.array([[0.7, 0.8, 0.75]]), "b": np.array([[0.6, 0.69, 0.66]])}
    (up,) = differences(values, all_pairs(["a", "b"]), higher=True, test_share=0.5)
    assert (up.first, up.second) == ("a", "b")
    assert up.lead == pytest.approx(0.1)
    assert up.low < up.lead < up.high
    assert up.p == up.p_holm
    (down,) = differences(values, all_pairs(["a", "b"]), higher=False, test_share=0.5)
    assert (down.first, down.second, down.lead) == ("b", "a", pytest.approx(0.1))


def found(first: str, second: str, *, real: bool) -> Difference:
    return Difference(first, second, 0.1, 0.0, 0.2, 0.01, 0.01 if real else 0.4)


def test_tiers_share_who_cannot_be_told_from_the_best_of_them() -> None:
    pairs = [
        found("a", "b", real=False),
        found("a", "c", real=True),
        found("b", "c", real=False),  # b and c alike, but a is better than c
        found("a", "d", real=True),
        found("b", "d", real=True),
        found("c", "d", real=True),
    ]
    assert tiers(["a", "b", "c", "d"], pairs) == {"a": 1, "b": 1, "c": 2, "d": 3}
    assert tiers(["a"], []) == {"a": 1}
    # Not told from the best, but below one that is: the tiers never fall back.
    loose = [found("a", "b", real=True), found("a", "c", real=False), found("b", "c", real=False)]
    assert tiers(["a", "b", "c"], loose) == {"a": 1, "b": 2, "c": 2}
