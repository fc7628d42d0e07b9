"""Augmentation: what a camera changes, and nothing that the burning state changes.

Haze, exposure and white balance act in linear light, as they do in front of and in a camera. Hue is left
alone unless it is asked for: the colour of the bed is what tells the state.
"""

import os
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kilnsense.config import AugmentConfig
from kilnsense.errors import InputError, MissingExtraError
from kilnsense.image.colour import linear_to_srgb, srgb_to_linear
from kilnsense.nets.views import NEUTRAL

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int8]
Augmentation = Callable[[Pixels, Labels, np.random.Generator], tuple[Pixels, Labels]]
"""(H, W, 3) uint8 sRGB, (H, W) int8 region labels and a generator -> the same, changed; inputs are kept."""


_LIGHT = srgb_to_linear(np.arange(256, dtype=np.uint8))  # of each 8-bit level, 0..1


def build_augmentation(config: AugmentConfig) -> Augmentation:
    """A function that changes a picture and its label map as another camera, or another moment, would.

    In this order: shift (labels move along, uncovered pixels are neutral with label -1), haze (a veil of the
    picture's own mean light), exposure and white balance, hue, blur, sensor noise, JPEG. Every strength is
    drawn uniformly from 0 (or minus itself) to the one in the config; strength 0 switches a change off, and
    with all of them at 0 the picture comes back as it is. The same generator state gives the same picture.

    Raises:
        MissingExtraError: albumentations is not installed.
    """
    shift = _compose(_shift(config))
    camera = _compose(_camera(config))
    light = bool(config.exposure_stops or config.white_balance or config.haze)

    def augment(pixels: Pixels, labels: Labels, rng: np.random.Generator) -> tuple[Pixels, Labels]:
        if pixels.shape[:2] != labels.shape or pixels.dtype != np.uint8:
            raise InputError(
                f"augmentation: got pixels {pixels.shape} {pixels.dtype} and labels {labels.shape}, "
                "allowed: (H, W, 3) uint8 and (H, W)"
            )
        if shift is not None:
            shift.set_random_seed(int(rng.integers(2**32)))
            # OpenCV moves no 8-bit signed pictures.
            moved = shift(image=pixels, mask=labels.astype(np.int16))
            pixels, labels = moved["image"], moved["mask"].astype(np.int8)
        if light:
            pixels = _change_light(pixels, config, rng)
        if camera is not None:
            camera.set_random_seed(int(rng.integers(2**32)))
            pixels = camera(image=pixels)["image"]
        return pixels, labels

    return augment


def _change_light(pixels: Pixels, config: AugmentConfig, rng: np.random.Generator) -> Pixels:
    """Haze, exposure and white balance: a curve per channel, applied by look-up."""
    gain = 2.0 ** rng.uniform(-config.exposure_stops, config.exposure_stops)
    red, blue = 1 + rng.uniform(-config.white_balance, config.white_balance, 2)
    veil = rng.uniform(0, config.haze)
    curves = np.empty((256, 1, 3), np.uint8)
    for channel, balance in enumerate((red, 1.0, blue)):
        counts = cv2.calcHist([pixels], [channel], None, [256], [0, 256]).ravel()
        mean = float(counts @ _LIGHT / counts.sum())
        light = np.clip(gain * balance * ((1 - veil) * _LIGHT + veil * mean), 0, 1)
        curves[:, 0, channel] = np.rint(255 * linear_to_srgb(light))
    changed: Pixels = cv2.LUT(pixels, curves).astype(np.uint8, copy=False)
    return changed


def _shift(config: AugmentConfig) -> list[Any]:
    if not config.shift:
        return []
    return [
        _library().Affine(translate_percent=(-config.shift, config.shift), fill=NEUTRAL, fill_mask=-1, p=1.0)
    ]


def _camera(config: AugmentConfig) -> list[Any]:
    """What acts on the pixels alone; OpenCV counts hue in steps of two degrees."""
    steps: list[Any] = []
    if config.hue_degrees:
        half = config.hue_degrees / 2
        steps.append(
            _library().HueSaturationValue(
                hue_shift_limit=(-half, half), sat_shift_limit=0, val_shift_limit=0, p=1.0
            )
        )
    if config.blur:
        steps.append(_library().GaussianBlur(sigma_limit=(0.0, config.blur), blur_limit=0, p=1.0))
    if config.noise:
        steps.append(_library().GaussNoise(std_range=(0.0, config.noise), p=1.0))
    if config.jpeg_quality:
        steps.append(_library().ImageCompression(quality_range=(config.jpeg_quality, 100), p=1.0))
    return steps


def _compose(steps: list[Any]) -> Any:
    return _library().Compose(steps) if steps else None


def _library() -> Any:
    """albumentations, imported where it is needed: it takes seconds, and must not ask the network for
    news."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    try:
        import albumentations
    except ImportError as error:
        raise MissingExtraError(
            "augmentation: albumentations is missing; install kilnsense[train]"
        ) from error
    return albumentations
