"""Measures against scikit-learn and against slow loops."""

import numpy as np
import pytest
import sklearn.metrics

from kilnsense.classify.metrics import (
    accepted_accuracy,
    balanced_accuracy,
    confusion,
    coverage,
    expected_calibration_error,
    macro_f1,
)
from kilnsense.errors import InputError


@pytest.fixture
def sample():
    rng = np.random.default_rng(5)
    truth = rng.choice(3, size=200, p=[0.6, 0.3, 0.1])
    logits = rng.normal(size=(200, 3)) + 1.5 * np.eye(3)[truth]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return truth, probabilities, probabilities.argmax(axis=1)


def test_confusion_counts_like_a_loop(sample):
    truth, _, predicted = sample
    table = [[0] * 3 for _ in range(3)]
    for t, p in zip(truth, predicted, strict=True):
        table[t][p] += 1
    np.testing.assert_array_equal(confusion(truth, predicted, classes=3), table)
    assert table[0][1] != table[1][0], "the sample must tell rows from columns"


def test_balanced_accuracy_and_macro_f1_match_scikit_learn(sample):
    truth, _, predicted = sample
    ours = balanced_accuracy(truth, predicted, classes=3), macro_f1(truth, predicted, classes=3)
    theirs = (
        sklearn.metrics.balanced_accuracy_score(truth, predicted),
        sklearn.metrics.f1_score(truth, predicted, average="macro"),
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
    assert 0.4 < ours[0] < 0.95


def test_a_class_that_does_not_occur_is_not_averaged():
    truth, predicted = np.array([0, 0, 2, 2]), np.array([0, 1, 2, 2])
    assert balanced_accuracy(truth, predicted, classes=4) == pytest.approx(0.75)
    assert macro_f1(truth, predicted, classes=4) == pytest.approx((2 / 3 + 0 + 1) / 3)


def test_calibration_error_matches_a_loop(sample):
    truth, probabilities, predicted = sample
    total = 0.0
    for b in range(10):
        rows = [i for i in range(200) if b / 10 < probabilities[i].max() <= (b + 1) / 10]
        if rows:
            accuracy = sum(predicted[i] == truth[i] for i in rows) / len(rows)
            confidence = sum(probabilities[i].max() for i in rows) / len(rows)
            total += len(rows) / 200 * abs(accuracy - confidence)
    assert expected_calibration_error(truth, probabilities) == pytest.approx(total)
    assert total > 0.01


def test_accepted_accuracy_looks_at_accepted_frames_only():
    truth, predicted = np.array([0, 1, 2, 0]), np.array([0, 1, 1, 1])
    accepted = np.array([True, False, True, True])
    assert accepted_accuracy(truth, predicted, accepted) == pytest.approx(1 / 3)
    assert coverage(accepted) == 0.75
    assert accepted_accuracy(truth, predicted, np.zeros(4, dtype=bool)) == 1.0


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [([0, 3], [0, 1], r"labels: got 0\.\.3"), ([0, 1], [0, -1], "predictions"), ([0], [0, 1], r"\(1,\)")],
)
def test_labels_that_do_not_fit_are_refused(truth, predicted, message):
    with pytest.raises(InputError, match=message):
        confusion(np.array(truth), np.array(predicted), classes=3)
    with pytest.raises(InputError, match="allowed"):
        expected_calibration_error(np.array([0, 3]), np.full((2, 3), 1 / 3))
