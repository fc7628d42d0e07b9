"""Labels by colour box must be the labels of the pixels."""

import numpy as np
import pytest

from kilnsense.segment.labels import label_after, label_pixels, label_places
from kilnsense.segment.space import boxes_of, space_of


def colours(seed: int, top: int = 256, count: int = 60_000) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, top, (count, 3), dtype=np.uint8)


@pytest.mark.parametrize("space", ["lab", "weighted_rgb"])
@pytest.mark.parametrize(("clusters", "top"), [(2, 256), (4, 256), (4, 50), (8, 256), (16, 256)])
def test_every_pixel_gets_its_nearest_centre(space: str, clusters: int, top: int) -> None:
    """Measured one by one in float64; only exact ties may differ."""
    convert = space_of(space).from_srgb
    pixels, centres = colours(1, top), convert(colours(2, top, clusters))
    points = convert(pixels).astype(float)
    squares = ((points[:, None] - centres[None].astype(float)) ** 2).sum(axis=2)
    labels = label_pixels(pixels, centres, space=space)
    chosen = squares[np.arange(len(pixels)), labels]
    assert len(np.unique(labels)) == clusters
    assert (chosen - squares.min(axis=1)).max() < 1e-2


def test_place_is_a_fourth_coordinate() -> None:
    pixels = np.zeros((4, 3), np.uint8)
    heights = np.array([0, 10, 30, 40], np.float32)
    centres = np.array([[0, 0, 0, 5], [0, 0, 0, 35]], np.float32)
    assert label_places(pixels, heights, centres, space="lab").tolist() == [0, 0, 1, 1]


def test_the_border_lies_farther_from_the_last_label() -> None:
    """Centres at 0, 50 and 100: without a past the borders are at 25 and 75; a past moves them to 90 %."""
    centres = np.array([[0], [50], [100]], np.float32)
    points = np.array([[24], [26], [44], [46], [89], [91], [100], [6], [4]], np.float32)
    before = np.array([-1, -1, 0, 0, 0, 0, 0, 1, 1], np.int8)
    assert label_after(points, before, centres).tolist() == [0, 1, 0, 1, 0, 2, 2, 1, 0]


def test_box_numbers_are_the_upper_five_bits() -> None:
    assert boxes_of(np.array([[255, 0, 8], [7, 16, 0]], np.uint8)).tolist() == [(31 << 10) + 1, 2 << 5]


@pytest.mark.parametrize("space", ["lab", "weighted_rgb"])
def test_spaces_go_to_lab_and_back(space: str) -> None:
    pixels, kind = colours(3, count=500), space_of(space)
    lab = space_of("lab").from_srgb(pixels)
    np.testing.assert_allclose(kind.to_lab(kind.from_srgb(pixels)), lab, atol=0.01)
    np.testing.assert_allclose(kind.from_lab(lab), kind.from_srgb(pixels), atol=0.01)
