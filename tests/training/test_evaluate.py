"""Measures against counting by hand."""

import numpy as np
import pytest

from kilnsense.errors import InputError
from kilnsense.training.evaluate import evaluate, measure


def test_measures_by_hand() -> None:
    truth = np.array([0, 0, 0, 0, 1, 1])
    said = np.array([0, 0, 0, 1, 1, 0])
    reasons = np.array(["accepted", "accepted", "unfamiliar", "accepted", "low_confidence", "accepted"])
    found = measure(truth, said, reasons, classes=2)
    assert found.balanced_accuracy == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert found.macro_f1 == pytest.approx((2 * 3 / (2 * 3 + 1 + 1) + 2 * 1 / (2 * 1 + 1 + 1)) / 2)
    assert found.coverage == pytest.approx(4 / 6)
    assert found.accepted_accuracy == pytest.approx(2 / 4)
    assert found.unfamiliar == pytest.approx(1 / 6)
    assert found.accepted_wrong == pytest.approx(2 / 6)


def test_no_frames_are_refused(tiny_recogniser) -> None:
    with pytest.raises(InputError, match="evaluation: got no frames"):
        evaluate(tiny_recogniser, (), np.zeros(0, np.int64))


def test_the_batch_size_changes_nothing(tiny_trial, tiny_recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kilnsense.training.evaluate.BATCH", 3)
    again = evaluate(tiny_recogniser, tiny_trial.sights, tiny_trial.data.labels)
    np.testing.assert_allclose(
        again.scores.probabilities, tiny_trial.evaluation.scores.probabilities, atol=1e-5
    )
