"""Calibration: it repairs what is known to be wrong, and stays careful with few groups."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from kilnsense.classify.calibrate import Calibration, fit_calibration
from kilnsense.classify.estimators import softmax
from kilnsense.classify.metrics import expected_calibration_error
from kilnsense.errors import InputError


def honest(rows: int, *, sureness: float, tilt: float = 0.0, seed: int = 0):
    """Probabilities whose logarithms are `sureness` times too large, class 0 favoured by `tilt`."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.normal(size=(rows, 3))
    true = softmax(logits)
    labels = np.array([rng.choice(3, p=row) for row in true])
    return softmax(sureness * (logits + tilt * np.eye(3)[0])), labels


@pytest.mark.parametrize("sureness", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_known_oversureness(sureness):
    probabilities, labels = honest(1500, sureness=sureness)
    calibration = fit_calibration(probabilities, labels, [str(i) for i in range(1500)])
    assert calibration.temperature == pytest.approx(sureness, rel=0.15)
    test, truth = honest(1500, sureness=sureness, seed=1)
    assert expected_calibration_error(truth, calibration.apply(test)) < 0.04


def test_the_bias_undoes_a_favoured_class():
    probabilities, labels = honest(1500, sureness=1.0, tilt=1.0)
    calibration = fit_calibration(probabilities, labels, [str(i) for i in range(1500)])
    assert calibration.bias[0] - calibration.bias[1] == pytest.approx(-1.0, abs=0.4)
    assert log_loss(labels, calibration.apply(probabilities)) < log_loss(labels, probabilities) - 0.03


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_few_groups_that_were_all_right_do_not_make_it_certain(groups):
    labels = np.repeat(np.arange(groups) % 3, 10)
    probabilities = np.eye(3)[labels]
    calibration = fit_calibration(probabilities, labels, [f"g{i // 10}" for i in range(len(labels))])
    calibrated = calibration.apply(probabilities)
    assert calibrated.max() < 1 - 0.6 / (2 * (groups + 1))
    assert calibrated.min() > 0
    np.testing.assert_allclose(calibrated.sum(axis=1), 1.0, atol=1e-12)


def test_a_long_group_does_not_outvote_many_short_ones():
    """One group of 500 sure mistakes against 20 groups of right frames: it counts as one of 21."""
    labels = np.concatenate([np.zeros(500, dtype=int), np.arange(20) % 3])
    sure = np.eye(3)[np.concatenate([np.ones(500, dtype=int), np.arange(20) % 3])]
    raw = 0.97 * sure + 0.01
    groups = ["long"] * 500 + [f"short{i}" for i in range(20)]
    one = fit_calibration(raw, labels, groups)
    each = fit_calibration(raw, labels, [str(i) for i in range(520)])
    assert one.temperature < 3 < each.temperature


def test_the_gradient_leads_to_a_minimum():
    """No step of the parameters away from the fit lowers the penalised loss."""
    probabilities, labels = honest(60, sureness=2.0)
    groups = [str(i // 3) for i in range(60)]
    best = fit_calibration(probabilities, labels, groups)

    def loss(temperature: float, bias: np.ndarray) -> float:
        fitted = softmax(np.log(np.maximum(probabilities, 1e-4)) / temperature + bias)
        nll = -np.log(fitted[np.arange(60), labels]).sum() / 3
        return nll + np.log(temperature) ** 2 / 2 + ((bias / 0.1) ** 2).sum() / 2

    here = loss(best.temperature, np.array(best.bias))
    for step in (-0.05, 0.05):
        assert loss(best.temperature + step, np.array(best.bias)) > here
        for c in range(3):
            assert loss(best.temperature, np.array(best.bias) + step * np.eye(3)[c]) > here


@pytest.mark.parametrize(
    ("probabilities", "labels", "groups", "message"),
    [
        (np.full((2, 3), np.nan), [0, 1], ["a", "b"], "NaN"),
        (np.full((2, 3), 1 / 3), [0, 3], ["a", "b"], r"got 0\.\.3"),
        (np.full((2, 3), 1 / 3), [0, 1], ["a"], "1 groups"),
        (np.zeros((0, 3)), [], [], "0 rows"),
    ],
)
def test_input_that_does_not_fit_is_refused(probabilities, labels, groups, message):
    with pytest.raises(InputError, match=message):
        fit_calibration(probabilities, np.array(labels, dtype=int), groups)


def test_a_calibration_checks_itself_and_its_input():
    with pytest.raises(InputError, match="temperature"):
        Calibration(temperature=0.0, bias=(0.0, 0.0), doubt=0.1)
    with pytest.raises(InputError, match=r"allowed: \(N, 2\)"):
        Calibration(temperature=1.0, bias=(0.0, 0.0), doubt=0.1).apply(np.full((4, 3), 1 / 3))
