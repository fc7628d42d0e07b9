"""A picture that every check of a picture can be tried on."""

import cv2
import numpy as np
from numpy.typing import NDArray

from kilnsense.types import Frame


def scene(seed: int = 0) -> NDArray[np.float64]:
    """A textured picture from dark to bright, (90, 120, 3), 0..255."""
    coarse = np.random.default_rng(seed).uniform(10, 230, (9, 12, 3))
    fine = np.random.default_rng(seed + 1).normal(0, 4, (90, 120, 1))
    return np.clip(cv2.resize(coarse, (120, 90), interpolation=cv2.INTER_CUBIC) + fine, 5, 235)


def frame(pixels: NDArray[np.float64]) -> Frame:
    return Frame(np.clip(pixels, 0, 255).astype(np.uint8))
