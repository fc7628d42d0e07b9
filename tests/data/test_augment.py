"""Augmentation changes what cameras change."""

import numpy as np
import pytest
from numpy.typing import NDArray

from kilnsense.config import AugmentConfig
from kilnsense.data.augment import build_augmentation
from kilnsense.errors import InputError
from kilnsense.image.colour import srgb_to_lab, srgb_to_linear

OFF = {
    "exposure_stops": 0,
    "white_balance": 0,
    "haze": 0,
    "blur": 0,
    "noise": 0,
    "jpeg_quality": 0,
    "shift": 0,
    "hue_degrees": 0,
}


def only(**strengths: float) -> AugmentConfig:
    return AugmentConfig.model_validate(OFF | strengths)


@pytest.fixture
def picture() -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
    """Two flat halves, dim orange and brighter yellow, labelled 0 and 1."""
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, :30], pixels[:, 30:] = (120, 60, 30), (150, 120, 50)
    labels = np.zeros((40, 60), np.int8)
    labels[:, 30:] = 1
    return pixels, labels


Picture = tuple[NDArray[np.uint8], NDArray[np.int8]]


def test_strength_zero_changes_nothing(picture: Picture) -> None:
    pixels, labels = build_augmentation(only())(*picture, np.random.default_rng(0))
    np.testing.assert_array_equal(pixels, picture[0])
    np.testing.assert_array_equal(labels, picture[1])


def test_the_generator_alone_decides(picture: Picture) -> None:
    augment = build_augmentation(AugmentConfig())
    before = [array.copy() for array in picture]
    one, _ = augment(*picture, np.random.default_rng(1))
    augment(*picture, np.random.default_rng(9))
    again, _ = build_augmentation(AugmentConfig())(*picture, np.random.default_rng(1))
    other, _ = augment(*picture, np.random.default_rng(2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    assert one.dtype == np.uint8
    for array, kept in zip(picture, before, strict=True):
        np.testing.assert_array_equal(array, kept)  # inputs are not written to


def test_exposure_is_one_gain_in_linear_light(picture: Picture) -> None:
    gains = []
    for seed in range(20):
        pixels, labels = build_augmentation(only(exposure_stops=0.7))(*picture, np.random.default_rng(seed))
        ratio = srgb_to_linear(pixels[0, [0, -1]]) / srgb_to_linear(picture[0][0, [0, -1]])
        assert ratio == pytest.approx(np.full((2, 3), ratio.mean()), rel=0.06)  # 8-bit rounding
        np.testing.assert_array_equal(labels, picture[1])
        gains.append(np.log2(ratio.mean()))
    assert -0.75 < min(gains) < -0.3
    assert 0.3 < max(gains) < 0.75


def test_white_balance_leaves_green_alone(picture: Picture) -> None:
    changed = 0
    for seed in range(5):
        pixels, _ = build_augmentation(only(white_balance=0.3))(*picture, np.random.default_rng(seed))
        np.testing.assert_array_equal(pixels[..., 1], picture[0][..., 1])
        changed += int((pixels[..., [0, 2]] != picture[0][..., [0, 2]]).any())
    assert changed == 5


def test_haze_pulls_colours_together_and_keeps_their_mean_light(picture: Picture) -> None:
    before, contrasts = srgb_to_linear(picture[0]), []
    for seed in range(6):
        pixels, _ = build_augmentation(only(haze=0.9))(*picture, np.random.default_rng(seed))
        after = srgb_to_linear(pixels)
        contrasts.append(
            np.abs(after[0, 0] - after[0, -1]).sum() / np.abs(before[0, 0] - before[0, -1]).sum()
        )
        assert after.mean(axis=(0, 1)) == pytest.approx(before.mean(axis=(0, 1)), rel=0.03)
    assert 0.08 < min(contrasts) < 0.5
    assert max(contrasts) < 1.01


def test_a_shift_moves_labels_with_pixels_and_marks_what_it_uncovers(picture: Picture) -> None:
    uncovered = 0
    for seed in range(6):
        pixels, labels = build_augmentation(only(shift=0.2))(*picture, np.random.default_rng(seed))
        assert labels.dtype == np.int8
        assert set(np.unique(labels)) <= {-1, 0, 1}
        uncovered += int((labels == -1).sum())
        for label, x in ((0, 0), (1, -1)):
            # Two pixels from any border of labels, where the interpolation does not reach.
            inside = labels == label
            for axis in (0, 1):
                for step in (-2, -1, 1, 2):
                    inside &= np.roll(labels, step, axis) == label
            inside[:2], inside[-2:], inside[:, :2], inside[:, -2:] = False, False, False, False
            assert inside.sum() > 100
            np.testing.assert_array_equal(
                pixels[inside], np.broadcast_to(picture[0][0, x], (inside.sum(), 3))
            )
    assert uncovered > 500


@pytest.mark.parametrize("strength", [{"blur": 3.0}, {"noise": 0.1}, {"jpeg_quality": 5}])
def test_blur_noise_and_jpeg_touch_pixels_and_no_labels(picture: Picture, strength: dict[str, float]) -> None:
    rng = np.random.default_rng(3)
    noisy = np.clip(picture[0] + rng.normal(0, 8, picture[0].shape), 0, 255).astype(np.uint8)
    pixels, labels = build_augmentation(only(**strength))(noisy, picture[1], rng)
    assert (pixels != noisy).any()
    np.testing.assert_array_equal(labels, picture[1])
    roughness = (
        np.abs(np.diff(pixels.astype(int), axis=0)).mean(),
        np.abs(np.diff(noisy.astype(int), axis=0)).mean(),
    )
    assert roughness[0] > roughness[1] if "noise" in strength else roughness[0] < roughness[1]


def test_hue_turns_only_where_it_is_asked_for(picture: Picture) -> None:
    def hue(pixels: NDArray[np.uint8]) -> float:
        lab = srgb_to_lab(pixels[:1, :1])[0, 0]
        return float(np.degrees(np.arctan2(lab[2], lab[1])))

    turns = {0: 0.0, 60: 0.0}
    for degrees in turns:
        for seed in range(6):
            pixels, _ = build_augmentation(only(hue_degrees=degrees))(*picture, np.random.default_rng(seed))
            turns[degrees] = max(turns[degrees], abs(hue(pixels) - hue(picture[0])))
    assert turns[0] == 0.0
    assert turns[60] > 15.0


def test_a_label_map_of_another_size_is_refused(picture: Picture) -> None:
    with pytest.raises(InputError, match="augmentation: got pixels"):
        build_augmentation(only())(picture[0], picture[1][:10], np.random.default_rng(0))
