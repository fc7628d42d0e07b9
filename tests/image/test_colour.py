"""sRGB, linear light and Lab, held against scikit-image."""

import numpy as np
import pytest
from skimage import color

from kilnsense.errors import InputError
from kilnsense.image.colour import lab_to_srgb, linear_to_srgb, luminance, srgb_to_lab, srgb_to_linear

GRID = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3, indexing="ij"), axis=-1).astype(np.uint8)
CLOSE = 1e-3


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_lab_agrees_with_scikit_image(kind: type) -> None:
    pixels = GRID if kind is np.uint8 else (GRID / 255).astype(kind)
    lab = srgb_to_lab(pixels)
    assert lab.dtype == np.float32
    assert lab.shape == GRID.shape
    np.testing.assert_allclose(lab, color.rgb2lab(GRID / 255.0), atol=CLOSE)


def test_dark_colours_agree_across_the_knee_of_the_curve() -> None:
    dark = np.stack(np.meshgrid(*[np.arange(0, 24, 3)] * 3), axis=-1).astype(np.uint8)
    np.testing.assert_allclose(srgb_to_lab(dark), color.rgb2lab(dark / 255.0), atol=CLOSE)


def test_white_and_black() -> None:
    extremes = srgb_to_lab(np.array([[255, 255, 255], [0, 0, 0]], np.uint8))
    np.testing.assert_allclose(extremes, [[100, 0, 0], [0, 0, 0]], atol=0.01)


def test_lab_of_a_large_picture_does_not_depend_on_its_blocks() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 333, 3), dtype=np.uint8)
    np.testing.assert_allclose(srgb_to_lab(pixels)[250], srgb_to_lab(pixels[250]), atol=1e-4)


def test_there_and_back() -> None:
    np.testing.assert_allclose(lab_to_srgb(srgb_to_lab(GRID)) * 255, GRID, atol=0.01)
    np.testing.assert_allclose(linear_to_srgb(srgb_to_linear(GRID)) * 255, GRID, atol=0.01)


def test_colours_beyond_srgb_are_clipped() -> None:
    shown = lab_to_srgb(np.array([[60.0, 120.0, -120.0], [100.0, 0.0, 60.0]]))
    assert shown.min() >= 0
    assert shown.max() <= 1


def test_luminance_is_the_y_of_xyz() -> None:
    np.testing.assert_allclose(luminance(GRID), color.rgb2xyz(GRID / 255.0)[..., 1], atol=1e-5)


@pytest.mark.parametrize("convert", [srgb_to_lab, lab_to_srgb, luminance])
def test_other_shapes_are_refused(convert: object) -> None:
    with pytest.raises(InputError, match=r"\(4, 2\), allowed: \(..., 3\)"):
        convert(np.zeros((4, 2), np.float32))  # type: ignore[operator]
