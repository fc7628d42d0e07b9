"""Small grey pictures as views."""

import numpy as np
import pytest

from kilnsense.config import Config, overlay
from kilnsense.data.pictures import Pictures
from kilnsense.errors import ConfigError, InputError
from kilnsense.image.colour import srgb_to_lab
from kilnsense.study.grey import Shown, check_counts, check_view, make_draw, samples_needed, show


@pytest.fixture
def pictures() -> Pictures:
    images = np.random.default_rng(0).integers(1, 256, (12, 20, 20)).astype(np.uint8)
    return Pictures(images, np.zeros(12, np.int64), ("a",))


def test_views_are_the_pictures_in_three_equal_channels(pictures: Pictures) -> None:
    views = show(pictures, size=20, head="vector", colours=3).views(np.array([7, 2]))
    assert (views.names, views.pixels.shape) == (("scale:1.0",), (2, 1, 20, 20, 3))
    for channel in range(3):
        np.testing.assert_array_equal(views.pixels[:, 0, :, :, channel], pictures.images[[7, 2]])
    assert views.masks.min() == 1
    assert views.present.all()
    assert views.palettes.shape == (2, 1, 0, 3)


def test_pictures_come_at_the_size_of_the_branches(pictures: Pictures) -> None:
    assert show(pictures, size=16, head="vector", colours=1).images.shape == (12, 16, 16)


def test_a_palette_head_gets_the_colours_of_the_picture(pictures: Pictures) -> None:
    images = np.full((2, 20, 20), 40, np.uint8)
    images[0, :, 10:] = 200
    two = show(Pictures(images, np.zeros(2, np.int64), ("a",)), size=20, head="palette", colours=2)
    expected = srgb_to_lab(np.array([[200] * 3, [40] * 3], np.uint8))
    np.testing.assert_allclose(two.palettes[0, 0], expected, atol=0.01)
    np.testing.assert_allclose(two.palettes[1, 0], expected[[1, 1]], atol=0.01)


def test_training_pictures_move_by_whole_pixels_and_nothing_comes_back(pictures: Pictures) -> None:
    draw, rows = make_draw(show(pictures, size=20, head="vector", colours=0), 0.1), np.arange(12)
    moved = draw(rows, np.random.default_rng(3)).pixels[:, 0, :, :, 0]
    steps = set()
    for image, given in zip(moved, pictures.images, strict=True):
        padded = np.pad(given, 2)
        fits = [(y, x) for y in range(5) for x in range(5) if (padded[y : y + 20, x : x + 20] == image).all()]
        assert len(fits) == 1
        steps.add(fits[0])
    assert len(steps) > 5
    np.testing.assert_array_equal(draw(rows, np.random.default_rng(3)).pixels[:, 0, :, :, 0], moved)
    np.testing.assert_array_equal(draw(rows, None).pixels[:, 0, :, :, 0], pictures.images)


def test_without_a_shift_training_sees_the_pictures_as_they_are(pictures: Pictures) -> None:
    shown = Shown(pictures.images, np.zeros((12, 1, 0, 3), np.float32))
    seen = make_draw(shown, 0.0)(np.array([4]), np.random.default_rng(0))
    np.testing.assert_array_equal(seen.pixels[0, 0, :, :, 1], pictures.images[4])


def test_classes_with_too_few_samples_are_named_by_their_own_names() -> None:
    labels = np.array([0, 0, 0, 1, 1, 3])
    names = ("shirt", "shoe", "bag", "coat")
    check_counts(labels, names, 0, where="x", remedy="y")
    with pytest.raises(
        InputError, match=r"^here: class 'bag' has 0, 'coat' has 1, needed: 2 pictures .*; y$"
    ):
        check_counts(labels, names, 2, where="here", remedy="y")
    with pytest.raises(InputError, match="'3' has 0 and 5 more have too few, needed: 1 "):
        check_counts(labels[:0], tuple("012345678"), 1, where="here", remedy="y")


def test_batches_need_what_they_hold_of_a_class() -> None:
    config = overlay(Config(), {"training.samples_per_class": 6}, origin="test")
    assert samples_needed(config) == 6
    drawn = overlay(config, {"metric.miner": "as_drawn"}, origin="test")
    assert samples_needed(drawn) == 2
    first = {"metric.first_miner": "all", "metric.first_epochs": 1}
    assert samples_needed(overlay(drawn, first, origin="test")) == 6


def test_a_margin_by_palettes_needs_a_head_of_palettes() -> None:
    plain = {"branches.views": ("scale:1.0",), "branches.mode": "crop", "metric.margin_by": "cie76"}
    config = overlay(Config(), plain, origin="test")
    with pytest.raises(ConfigError, match=r"task pictures: metric.margin_by: got 'cie76' .* leave .* empty"):
        check_view(config, task="pictures")
    colours = {"branches.head": "palette", "metric.distance": "cie76"}
    check_view(overlay(config, colours, origin="test"), task="pictures")
