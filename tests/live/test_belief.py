"""The forward filter against slow sums over all paths, and what must hold for any numbers."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kilnsense.errors import InputError
from kilnsense.live.belief import LEAST, pass_time, stationary, transition, weigh

DWELL = 900.0


def slow_transition(classes: int, dwell_s: float, passed_s: float) -> NDArray[np.float64]:
    """The chain in a million tiny steps, by squaring: what the matrix exponential must equal."""
    rates = np.zeros((classes, classes))
    for here in range(classes):
        sides = [side for side in (here - 1, here + 1) if 0 <= side < classes]
        for side in sides:
            rates[here, side] = 1 / dwell_s / len(sides)
        rates[here, here] = -1 / dwell_s
    return np.linalg.matrix_power(np.eye(classes) + rates * passed_s / 2**20, 2**20)


def normal(weights: list[float]) -> NDArray[np.float64]:
    return np.array(weights) / np.sum(weights)


@st.composite
def sequences(draw: st.DrawFn) -> tuple[NDArray[np.float64], list[tuple[float, NDArray[np.float64], float]]]:
    """A belief, and steps of (seconds, probabilities of a frame, power)."""
    classes = draw(st.integers(2, 5))
    weight = st.floats(0.01, 1.0)
    row = st.lists(weight, min_size=classes, max_size=classes).map(normal)
    steps = draw(st.lists(st.tuples(st.floats(0, 5000), row, st.floats(0, 1)), min_size=1, max_size=8))
    return draw(row), steps


def filtered(
    belief: NDArray[np.float64], steps: list[tuple[float, NDArray[np.float64], float]]
) -> NDArray[np.float64]:
    for passed, shown, power in steps:
        belief = weigh(pass_time(belief, dwell_s=DWELL, passed_s=passed), shown.tolist(), power=power)
    return belief


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("passed", [0.5, 300.0, 4000.0])
def test_time_passes_as_in_tiny_steps(classes: int, passed: float) -> None:
    slow = slow_transition(classes, DWELL, passed)
    np.testing.assert_allclose(transition(classes, dwell_s=DWELL, passed_s=passed), slow, atol=1e-6)


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_filter_equals_the_sum_over_all_paths(classes: int) -> None:
    rng = np.random.default_rng(classes)
    start, prior = rng.dirichlet(np.ones(classes)), rng.dirichlet(np.full(classes, 5.0))
    frames = rng.dirichlet(np.ones(classes), size=5)
    gaps, powers = rng.uniform(1, 1500, 5), rng.uniform(0.1, 1, 5)
    moves = [slow_transition(classes, DWELL, gap) for gap in gaps]
    ends = np.zeros(classes)
    for path in product(range(classes), repeat=6):
        weight = start[path[0]]
        for number, (before, after) in enumerate(pairwise(path)):
            likely = max(frames[number, after], LEAST) / prior[after]
            weight *= moves[number][before, after] * likely ** powers[number]
        ends[path[-1]] += weight
    belief = start
    for gap, shown, power in zip(gaps, frames, powers, strict=True):
        belief = pass_time(belief, dwell_s=DWELL, passed_s=gap)
        belief = weigh(belief, shown.tolist(), power=power, prior=prior.tolist())
    np.testing.assert_allclose(belief, ends / ends.sum(), atol=1e-6)


@settings(max_examples=60)
@given(sequences())
def test_a_belief_stays_one_and_knows_no_direction(
    given_: tuple[NDArray[np.float64], list[tuple[float, NDArray[np.float64], float]]],
) -> None:
    start, steps = given_
    belief = filtered(start, steps)
    assert belief.sum() == pytest.approx(1)
    assert (belief >= 0).all()
    turned = filtered(start[::-1], [(passed, shown[::-1], power) for passed, shown, power in steps])
    np.testing.assert_allclose(turned[::-1], belief, atol=1e-9)


@settings(max_examples=30)
@given(st.integers(2, 6), st.floats(0, 3000), st.floats(0, 3000))
def test_two_waits_are_one_long_wait(classes: int, first: float, second: float) -> None:
    parts = transition(classes, dwell_s=DWELL, passed_s=first) @ transition(
        classes, dwell_s=DWELL, passed_s=second
    )
    np.testing.assert_allclose(parts, transition(classes, dwell_s=DWELL, passed_s=first + second), atol=1e-9)


def test_long_silence_ends_in_what_is_usual() -> None:
    np.testing.assert_allclose(stationary(3), [0.25, 0.5, 0.25])
    late = pass_time(np.array([1.0, 0.0, 0.0]), dwell_s=DWELL, passed_s=50 * DWELL)
    np.testing.assert_allclose(late, stationary(3), atol=1e-9)


def test_a_state_lasts_its_dwell_time_and_goes_to_neighbours() -> None:
    soon = transition(4, dwell_s=DWELL, passed_s=0.9)
    np.testing.assert_allclose(1 - np.diag(soon), 0.9 / DWELL, rtol=2e-3)
    assert soon[1, 0] == pytest.approx(soon[1, 2], rel=1e-3)
    assert soon[0, 2] < soon[0, 1] * 1e-3


def test_a_frame_of_the_usual_shares_tells_nothing() -> None:
    prior = [0.2, 0.5, 0.3]
    belief = np.array([0.6, 0.3, 0.1])
    np.testing.assert_allclose(weigh(belief, prior, power=1.0, prior=prior), belief)
    np.testing.assert_allclose(weigh(belief, [0, 0, 1], power=0.0), belief)


@pytest.mark.parametrize(
    ("probabilities", "power", "prior", "message"),
    [
        ([0.5, 0.5], 1.0, [], r"probabilities shape: got \(2,\), allowed: \(3,\)"),
        ([0.5, float("nan"), 0.5], 1.0, [], "probabilities: got .*nan"),
        ([0.2, 0.3, 0.5], 1.1, [], "power: got 1.1"),
        ([0.2, 0.3, 0.5], 1.0, [0.5, 0.5], "prior shape"),
        ([0.2, 0.3, 0.5], 1.0, [0.5, 0.5, 0.0], "prior: got .*above 0"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(
    probabilities: list[float], power: float, prior: list[float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        weigh(stationary(3), probabilities, power=power, prior=prior)


@pytest.mark.parametrize(
    ("dwell", "passed", "message"), [(0.0, 1.0, "dwell_s: got 0"), (1.0, -1.0, "passed_s: got -1")]
)
def test_times_that_cannot_be_are_refused(dwell: float, passed: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        transition(3, dwell_s=dwell, passed_s=passed)


def test_one_class_is_no_choice() -> None:
    with pytest.raises(InputError, match="classes: got 1, allowed: at least 2"):
        stationary(1)
