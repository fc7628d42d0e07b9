"""The small picture behind the descriptors, and how percentiles are taken."""

import numpy as np
import pytest

from kilnsense.features.picture import counted_percentiles, percentiles

WANTED = (0, 2, 10, 50, 98, 100)


@pytest.mark.parametrize("count", [1, 2, 7, 500])
def test_percentiles_are_those_of_numpy(count: int) -> None:
    values = np.random.default_rng(count).normal(size=(3, count)).astype(np.float32)
    expected = np.percentile(values.astype(np.float64), WANTED, axis=-1).T
    np.testing.assert_allclose(percentiles(values, WANTED), expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_counted_values_have_the_percentiles_of_all_of_them(seed: int) -> None:
    """Counts of zero included, at both ends too."""
    rng = np.random.default_rng(seed)
    values = np.sort(rng.random(20)).astype(np.float32)
    counts = rng.integers(0, 4, 20) * rng.integers(0, 2, 20)
    counts[rng.integers(0, 20)] += 1
    every_one = np.repeat(values, counts)
    assert counted_percentiles(values, counts, WANTED).tolist() == percentiles(every_one, WANTED).tolist()
