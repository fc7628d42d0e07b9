"""Weighted k-means against a slow loop and against scikit-learn."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from kilnsense.errors import InputError
from kilnsense.segment.kmeans import lloyd, plus_plus


def clouds(seed: int, count: int = 300) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    middles = np.array([[20, 5, 10], [45, 15, 35], [60, 12, 42], [90, 0, 48]])
    points = middles[rng.integers(0, 4, count)] + rng.normal(0, 6, (count, 3))
    return points.astype(np.float32), rng.integers(1, 200, count).astype(np.float64)


def slow_lloyd(
    points: NDArray[np.float32], weights: NDArray[np.float64], centres: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """The textbook loop, in float64."""
    centres = centres.astype(float).copy()
    while True:
        labels = [min(range(len(centres)), key=lambda c: ((p - centres[c]) ** 2).sum()) for p in points]
        moved = centres.copy()
        for slot in range(len(centres)):
            mine = [i for i, label in enumerate(labels) if label == slot]
            if mine:
                moved[slot] = sum(weights[i] * points[i] for i in mine) / sum(weights[i] for i in mine)
        if np.abs(moved - centres).max() < 1e-3:
            break
        centres = moved
    costs = [weights[i] * ((points[i] - moved[label]) ** 2).sum() for i, label in enumerate(labels)]
    return moved, float(sum(costs) / weights.sum())


def test_all_restarts_at_once_equal_the_loop() -> None:
    points, weights = clouds(0)
    seeds = plus_plus(points, weights, 4, restarts=3, rng=np.random.default_rng(1))
    centres, inertia = lloyd(points, weights, seeds, iterations=200)
    for number, seed in enumerate(seeds):
        expected, cost = slow_lloyd(points, weights, seed)
        np.testing.assert_allclose(centres[number], expected, atol=0.02)
        assert inertia[number] == pytest.approx(cost, rel=1e-4)
        assert cost > 1.0


@pytest.mark.parametrize("seed", range(5))
def test_restarts_reach_the_inertia_of_scikit_learn(seed: int) -> None:
    points, weights = clouds(seed, 800)
    seeds = plus_plus(points, weights, 4, restarts=8, rng=np.random.default_rng(seed))
    _, inertia = lloyd(points, weights, seeds)
    model = KMeans(4, n_init=10, random_state=0).fit(points.astype(float), sample_weight=weights)
    assert inertia.min() <= 1.001 * model.inertia_ / weights.sum()


def test_weights_count_as_repetitions() -> None:
    points, _ = clouds(2, 60)
    weights = np.random.default_rng(2).integers(1, 5, 60)
    seeds = points[None, [0, 20, 40]]
    once, cost = lloyd(points, weights.astype(float), seeds)
    repeated = np.repeat(points, weights, axis=0)
    again, same = lloyd(repeated, np.ones(len(repeated)), seeds)
    np.testing.assert_allclose(once, again, atol=1e-2)
    np.testing.assert_allclose(cost, same, rtol=1e-4)


def test_a_cluster_without_points_keeps_its_centre() -> None:
    points = np.array([[10, 0, 0], [12, 0, 0]], np.float32)
    seeds = np.array([[[11, 0, 0], [90, 40, 40]]], np.float32)
    centres, inertia = lloyd(points, np.ones(2), seeds)
    np.testing.assert_allclose(centres[0], [[11, 0, 0], [90, 40, 40]], atol=1e-4)
    assert inertia[0] == pytest.approx(1.0)


def test_fewer_points_than_clusters() -> None:
    points = np.array([[10, 0, 0], [90, 0, 0]], np.float32)
    seeds = plus_plus(points, np.ones(2), 5, restarts=3, rng=np.random.default_rng(0))
    assert set(seeds[..., 0].ravel().tolist()) == {10.0, 90.0}
    _, inertia = lloyd(points, np.ones(2), seeds)
    np.testing.assert_allclose(inertia, 0, atol=1e-6)


def test_no_points_are_refused() -> None:
    with pytest.raises(InputError, match=r"got points \(0, 3\)"):
        lloyd(np.empty((0, 3), np.float32), np.empty(0), np.zeros((1, 2, 3), np.float32))
