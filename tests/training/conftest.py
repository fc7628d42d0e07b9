"""A toy problem: which of three textures a picture holds, under brightness that says nothing."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from kilnsense.training.fit import Examples
from kilnsense.types import Views

VIEWS = ("region:flame", "scale:1.0")


def _picture(label: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """24 x 32 stripes, their direction and width by the label; brightness, contrast and phase at random."""
    y, x = np.mgrid[:24, :32]
    along = (x, y, x + y)[label]
    wave = np.sin(along * 2 * np.pi / 6 + rng.uniform(0, 2 * np.pi)) * rng.uniform(20, 50)
    noisy = rng.uniform(70, 180) + wave[..., None] + rng.normal(0, 12, (24, 32, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def toy() -> Callable[..., Examples]:
    """A function (count) -> Examples of four groups, the last for validation; palettes of two colours."""

    def make(count: int = 72, *, absent: bool = True) -> Examples:
        rng = np.random.default_rng(5)
        labels = (np.arange(count) % 3).astype(np.int64)
        groups = np.array([f"run{g}" for g in np.arange(count) * 4 // count])
        pixels = np.stack([_picture(int(label), rng) for label in labels])[:, None]
        masks = np.ones((count, 2, 24, 32), np.float32)
        masks[:, 0, :, 16:] = 0
        present = np.ones((count, 2), np.bool_)
        if absent:
            present[::10, 0], masks[::10, 0] = False, 0
        palettes = rng.uniform([40, -5, -5], [60, 5, 5], (count, 2, 2, 3)).astype(np.float32)

        def draw(rows: NDArray[np.int64], chance: np.random.Generator | None) -> Views:
            shown = pixels[rows]
            if chance is not None:
                shown = np.clip(shown + chance.normal(0, 3, shown.shape), 0, 255).astype(np.uint8)
            return Views(VIEWS, shown, masks[rows], palettes[rows], present[rows])

        held = groups == "run3"
        return Examples(draw, labels, groups, np.flatnonzero(~held), np.flatnonzero(held))

    return make
