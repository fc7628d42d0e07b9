"""Views with known content for the tests of the networks."""

from collections.abc import Callable

import numpy as np
import pytest

from kilnsense.types import Views

NAMES = ("region:flame", "scale:0.5", "scale:1.0")


@pytest.fixture
def random_views() -> Callable[..., Views]:
    """A function (count, mode, colours) -> Views of noise; the first view is absent in frame 0."""

    def make(count: int, *, mode: str = "pooled", colours: int = 3, views: int = 3) -> Views:
        rng = np.random.default_rng(count)
        names, size = NAMES[:views], 32
        pictures, width = (1, size * 3 // 2) if mode == "pooled" else (views, size)
        masks = rng.random((count, views, size, width)).astype(np.float32)
        present = np.ones((count, views), np.bool_)
        palettes = rng.uniform([5, -60, -60], [95, 60, 60], (count, views, colours, 3))
        if count:
            masks[0, 0], palettes[0, 0], present[0, 0] = 0, 0, False
        pixels = rng.integers(0, 256, (count, pictures, size, width, 3), dtype=np.uint8)
        return Views(names, pixels, masks, palettes.astype(np.float32), present)

    return make
