"""Palettes stand for their colours."""

import numpy as np
import pytest

from kilnsense.errors import InputError
from kilnsense.segment.palette import palette

COLOURS = np.array([[90, 0, 40], [60, 12, 42], [40, 10, 30], [15, 3, 8]], np.float32)


def cloud(count: int = 5000) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (COLOURS[rng.integers(0, 4, count)] + rng.normal(0, 1, (count, 3))).astype(np.float32)


def test_the_colours_are_found_lightest_first() -> None:
    found = palette(cloud(), 4)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, COLOURS, atol=0.3)


def test_the_same_colours_give_the_same_palette() -> None:
    np.testing.assert_array_equal(palette(cloud(), 3), palette(cloud(), 3))


@pytest.mark.parametrize("count", [1, 2])
def test_few_colours_repeat(count: int) -> None:
    found = palette(COLOURS[:count], 5)
    assert found.shape == (5, 3)
    assert {tuple(row) for row in found.round(3).tolist()} == {tuple(row) for row in COLOURS[:count].tolist()}


@pytest.mark.parametrize(("shape", "colours"), [((0, 3), 4), ((5, 2), 4), ((5, 3), 0)])
def test_nonsense_is_refused(shape: tuple[int, int], colours: int) -> None:
    with pytest.raises(InputError, match="allowed: \\(n, 3\\) for 1 and more"):
        palette(np.zeros(shape, np.float32), colours)
