"""Small pictures of frames that a page shows in many places and holds once.

They are backgrounds of a style sheet: an element of class ``f12`` shows frame 12, wherever it stands.
"""

import base64
import io
from collections.abc import Iterable, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

SIZES = ((176, 74), (128, 70), (96, 66), (72, 60))
"""(width in pixels, JPEG quality), tried in turn until the pictures fit."""


def thumbnail_styles(
    pictures: Sequence[NDArray[np.uint8]], wanted: Iterable[int], *, budget: int
) -> tuple[Markup, frozenset[int]]:
    """Style rules that hold pictures.

    Args:
        pictures: (H, W, 3) uint8 sRGB each.
        wanted: indices in order of importance; repeated ones are passed over.
        budget: bytes that all rules together may take.

    Returns:
        The rules, and the indices that they hold: all that are wanted if they fit at the smallest size, else
        the first of them.
    """
    order = list(dict.fromkeys(wanted))
    rules: list[str] = []
    for width, quality in SIZES:
        rules, taken = [], 0
        for index in order:
            rule = _rule(index, pictures[index], width, quality)
            taken += len(rule)
            if taken > budget:
                break
            rules.append(rule)
        if len(rules) == len(order):
            break
    return Markup("\n".join(rules)), frozenset(order[: len(rules)])


def _rule(index: int, pixels: NDArray[np.uint8], width: int, quality: int) -> str:
    image = Image.fromarray(pixels)
    image.thumbnail((width, width))
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    text = base64.b64encode(data.getvalue()).decode()
    across, down = image.size
    return f".f{index}{{aspect-ratio:{across}/{down};background-image:url(data:image/jpeg;base64,{text})}}"
