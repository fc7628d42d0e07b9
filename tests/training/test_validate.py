"""Who is judged by whom, and by which distance."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from kilnsense.assemble import build_objective
from kilnsense.config import MetricConfig
from kilnsense.training.validate import Ruler, Validation, validate
from kilnsense.types import Embeddings


def embedded(values: NDArray[Any], present: NDArray[np.bool_] | None = None) -> Embeddings:
    """(N, V, D) values of views a, b, ..."""
    there = np.ones(values.shape[:2], np.bool_) if present is None else present
    return Embeddings(tuple("abc"[: values.shape[1]]), values.astype(np.float32), there)


def judge(
    values: NDArray[Any],
    labels: list[int],
    reference: tuple[NDArray[Any], list[int]] | None = None,
    learned: Any = None,
    **settings: Any,
) -> Validation:
    objective = build_objective(MetricConfig.model_validate(settings))
    ruler = Ruler(objective, learned or [{}] * values.shape[1], objective.margin.start)
    known = (None, []) if reference is None else (embedded(reference[0]), reference[1])
    numbers = [np.array(row, np.int64) for row in (labels, known[1])]
    return validate(embedded(values), numbers[0], known[0], numbers[1], ruler)


def clusters(labels: list[int], *, views: int = 1, noise: float = 0.05, seed: int = 0) -> NDArray[np.float64]:
    """(N, views, 2) points near one place per class."""
    angle = np.array(labels) * 2.0
    places = np.stack([np.cos(angle), np.sin(angle)], -1)[:, None]
    chance = np.random.default_rng(seed)
    moved: NDArray[np.float64] = places + noise * chance.normal(size=(len(labels), views, 2))
    return moved


def test_known_classes_are_judged_by_the_reference_and_new_ones_among_themselves() -> None:
    reference = [0] * 6 + [1] * 6
    asked = [0] * 6 + [2] * 6
    known = clusters(reference)
    assert judge(clusters(asked, seed=1), asked, (known, reference)).accuracy == 1.0
    # The references of class 0 moved away: its samples are now named by class 1, new ones are not touched.
    known[:6] += 9
    assert judge(clusters(asked, seed=1), asked, (known, reference)).accuracy == 0.5


def test_nobody_is_judged_by_itself() -> None:
    labels = [0, 1, 2, 3, 4, 5, 6, 7]  # each class once: only the sample itself would be right
    assert judge(clusters(labels), labels).accuracy == 0.0
    assert judge(clusters(labels, views=2), labels, views="across").accuracy == 0.0


def test_across_views_samples_are_judged_by_the_other_view() -> None:
    labels = [0, 1, 2] * 8
    values = clusters(labels, views=2)
    assert judge(values, labels, views="across").accuracy == 1.0
    turned = clusters([(label + 1) % 3 for label in labels])
    values[:, 1:] = turned  # each view is right in itself, the two disagree
    assert judge(values, labels).accuracy == 1.0
    assert judge(values, labels, views="across").accuracy == 0.0
    assert judge(values, labels, (values, labels), views="across").accuracy == 0.0


def test_a_learned_distance_is_what_neighbours_are_found_by() -> None:
    labels = [0, 1] * 10
    values = np.zeros((20, 1, 2))
    values[:, 0, 0] = labels
    values[:, 0, 1] = 50 * np.random.default_rng(0).normal(size=20)  # says nothing, and is loud
    learned = [{"weights": torch.tensor([-5.0, 0.0]), "bias": torch.zeros(1)}]
    assert judge(values, labels).accuracy < 0.8
    assert judge(values, labels, learned=learned, loss="weighted_l1_bce", miner="all").accuracy == 1.0


def test_the_loss_is_the_mean_hinge_whatever_is_trained_for() -> None:
    labels = [0, 1, 2, 0, 1, 2]
    values = clusters(labels, noise=1.0)
    x = torch.from_numpy(values[:, 0])
    hinges = [
        max(0.0, float((x[a] - x[p]).norm() - (x[a] - x[n]).norm()) + 0.2)
        for a, p, n in itertools.product(range(6), repeat=3)
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]
    ]
    want = pytest.approx(np.mean(hinges), rel=1e-5)
    for settings in ({}, {"loss": "softmax"}, {"loss": "contrastive", "miner": "all", "margin": 3.0}):
        assert judge(values, labels, **settings).loss == want
    assert judge(values, labels, margin=0.9, margin_end=0.2).loss == want
    assert judge(values, labels, margin=0.9).loss > np.mean(hinges) + 0.1


def test_collapse_is_told_by_the_spread_whatever_the_loss() -> None:
    labels = [0, 1, 2] * 4
    values = np.concatenate([clusters(labels), 1e-3 * clusters(labels)], axis=1)
    learned = [{"weights": torch.ones(2), "bias": torch.zeros(1)}] * 2
    for settings in (
        {},
        {"loss": "softmax"},
        {"loss": "energy", "miner": "all"},
        {"loss": "weighted_l1_bce", "miner": "all", "learned": learned},
    ):
        found = judge(values, labels, **settings)
        assert found.collapsed == ("b",)
        assert found.spread[0] == pytest.approx(1000 * found.spread[1], rel=0.2)


def test_absent_views_are_not_judged() -> None:
    labels, values = [0, 1] * 4, clusters([0, 1] * 4, views=2)
    objective = build_objective(MetricConfig())
    present = np.ones((8, 2), np.bool_)
    present[:, 1] = False
    found = validate(
        embedded(values, present),
        np.array(labels),
        None,
        np.zeros(0, np.int64),
        Ruler(objective, [{}, {}], 0.2),
    )
    assert found.accuracy == 1.0
    assert found.spread[1] == 0
