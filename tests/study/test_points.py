"""Embeddings in the plane."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from kilnsense.study.points import MOST_POINTS, to_plane


def rows(count: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scale = np.linspace(3, 0.5, width)
    return (rng.normal(2, scale, (count, width)).astype(np.float32), np.arange(count) % 3)


def test_two_numbers_are_shown_as_they_are() -> None:
    known, asked = rows(30, 2), rows(9, 2, 1)
    train, test = to_plane(known, asked, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(train.xy, known[0])
    np.testing.assert_array_equal(test.xy, asked[0])
    assert (train.part, test.part, test.labels.tolist()) == ("train", "test", asked[1].tolist())
    assert train.caption == "embeddings as they are"


def test_longer_embeddings_go_to_the_components_of_the_training_samples() -> None:
    known, asked = rows(60, 6), rows(20, 6, 1)
    train, test = to_plane(known, (asked[0] * 9, asked[1]), rng=np.random.default_rng(0))
    oracle = PCA(2).fit(known[0].astype(float))
    for got, given in ((train.xy, known[0]), (test.xy, asked[0] * 9)):
        np.testing.assert_allclose(np.abs(got), np.abs(oracle.transform(given.astype(float))), atol=1e-6)
    share = oracle.explained_variance_ratio_.sum()
    assert f"{share:.0%}" in train.caption
    again, _ = to_plane(known, asked, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(again.xy, train.xy)


@pytest.mark.parametrize("width", [1, 3])
def test_one_number_and_equal_samples_have_a_place(width: int) -> None:
    same = (np.ones((5, width), np.float32), np.zeros(5, np.int64))
    train, _ = to_plane(same, same, rng=np.random.default_rng(0))
    assert train.xy.shape == (5, 2)
    assert np.isfinite(train.xy).all()


def test_many_samples_are_thinned_and_keep_their_labels() -> None:
    known = rows(2 * MOST_POINTS, 2)
    known[0][:, 0] = known[1]
    train, test = to_plane(known, rows(7, 2), rng=np.random.default_rng(0))
    assert len(train.xy) == len(np.unique(train.xy[:, 1])) == MOST_POINTS
    np.testing.assert_array_equal(train.xy[:, 0], train.labels)
    assert len(test.xy) == 7
