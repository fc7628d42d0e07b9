"""The measures against scikit-learn, a loop, and published examples."""

import numpy as np
import pytest
from sklearn.metrics import (
    balanced_accuracy_score,
    cohen_kappa_score,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
)

from kilnsense.classify.measures import (
    MEASURES,
    class_scores,
    cost_table,
    default_costs,
    weighted_kappa,
)
from kilnsense.classify.tally import count, stack

RNG = np.random.default_rng(1)
N = 200
TRUTH = RNG.integers(0, 3, N)
TABLE = RNG.dirichlet((1, 1, 1), N) + 0.6 * np.eye(3)[TRUTH]
TABLE /= TABLE.sum(axis=1, keepdims=True)
SAID = TABLE.argmax(axis=1)
NAMED = TABLE.max(axis=1) > 0.6
TALLY = count(TRUTH, TABLE, NAMED, np.zeros(N, int), places=1).summed(0)
COSTS = cost_table((), 3)


def value(name: str) -> float:
    return float(MEASURES[name].value(TALLY, COSTS))


def test_measures_agree_with_scikit_learn_and_loops() -> None:
    rows = np.arange(N)
    expected = {
        "macro_f1": f1_score(TRUTH, SAID, average="macro"),
        "balanced_accuracy": balanced_accuracy_score(TRUTH, SAID),
        "kappa": cohen_kappa_score(TRUTH, SAID, weights="quadratic"),
        "state_error": np.abs(TRUTH - SAID).mean(),
        "cost": np.mean([COSTS[t, s] for t, s in zip(TRUTH, SAID, strict=True)]),
        "log_loss": log_loss(TRUTH, TABLE),
        "brier": np.mean([((TABLE[row] - np.eye(3)[TRUTH[row]]) ** 2).sum() for row in rows]),
        "coverage": NAMED.mean(),
        "accepted_accuracy": (TRUTH == SAID)[NAMED].mean(),
    }
    for name, wanted in expected.items():
        assert value(name) == pytest.approx(wanted), name
        assert 0 < wanted < 5, name  # none of them is trivial
    assert set(expected) | {"calibration_error"} == set(MEASURES)


def test_every_measure_works_along_leading_axes_and_is_titled() -> None:
    parts = stack([count(TRUTH, TABLE, NAMED, np.arange(N) % 4, places=4)] * 2)
    for name, measure in MEASURES.items():
        values = measure.value(parts, COSTS)
        assert values.shape == (2, 4), name
        assert np.isfinite(values).all(), name
        assert measure.title
        assert measure.scale in ("share", "signed", "amount")


def test_precision_recall_and_f1_of_each_class() -> None:
    found = class_scores(TALLY.confusion)
    for ours, theirs in zip(found, precision_recall_fscore_support(TRUTH, SAID), strict=False):
        np.testing.assert_allclose(ours, theirs)


def test_what_is_divided_by_nothing_is_zero() -> None:
    empty = np.zeros((3, 3))
    for part in class_scores(empty):
        assert part.tolist() == [0, 0, 0]
    one_class = np.diag([5.0, 0, 0])
    assert weighted_kappa(one_class) == 0
    assert (
        MEASURES["macro_f1"].value(
            count(np.array([0]), np.eye(3)[:1], np.array([False]), np.array([0]), places=1), COSTS
        )
        == 1
    )
    assert value("accepted_accuracy") > 0
    nothing_named = count(TRUTH, TABLE, np.zeros(N, bool), np.zeros(N, int), places=1)
    assert MEASURES["accepted_accuracy"].value(nothing_named, COSTS) == 0


@pytest.mark.parametrize(
    ("table", "kappa"),
    [
        ([[2, 0], [0, 2]], 1.0),
        ([[1, 1], [1, 1]], 0.0),
        ([[0, 2], [2, 0]], -1.0),
        # By hand: w O = 4 + 1 + 1 = 6; the margins (2, 1, 1) and (1, 1, 2) of 4 give w E = 26 / 4.
        ([[1, 0, 1], [0, 0, 1], [0, 1, 0]], 1 - 6 / (26 / 4)),
    ],
)
def test_weighted_kappa_of_small_tables(table: list[list[float]], kappa: float) -> None:
    assert weighted_kappa(np.array(table, float)) == pytest.approx(kappa)


def test_under_taken_for_over_costs_most() -> None:
    costs = np.array(default_costs(3))
    assert costs.argmax() == 2  # row under, column over
    assert costs[0, 2] == 8
    assert costs[2, 0] == 4
    assert not np.diag(costs).any()
    assert (costs[np.triu_indices(3, 1)] > costs.T[np.triu_indices(3, 1)]).all()
    assert cost_table([[0, 1], [7, 0]], 2).tolist() == [[0, 1], [7, 0]]
