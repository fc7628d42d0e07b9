"""Pictures that a page holds once: within their budget, the important ones first."""

import base64
import io
import re

import numpy as np
from PIL import Image

from kilnsense.record.thumbnails import SIZES, thumbnail_styles

RNG = np.random.default_rng(0)
PICTURES = [RNG.integers(0, 255, (120, 160, 3), dtype=np.uint8) for _ in range(6)]


def held(rules: str) -> dict[int, tuple[str, Image.Image]]:
    found = re.findall(
        r"\.f(\d+)\{aspect-ratio:(\d+/\d+);background-image:url\(data:image/jpeg;base64,([^)]+)\)\}", rules
    )
    return {int(n): (ratio, Image.open(io.BytesIO(base64.b64decode(data)))) for n, ratio, data in found}


def test_every_wanted_picture_is_there_once() -> None:
    rules, kept = thumbnail_styles(PICTURES, [3, 0, 3, 5], budget=10**6)
    assert kept == {0, 3, 5}
    pictures = held(rules)
    assert list(pictures) == [3, 0, 5]
    for ratio, image in pictures.values():
        assert image.size == (160, 120)
        assert ratio == "160/120"


def test_they_shrink_before_any_is_left_out() -> None:
    whole = len(thumbnail_styles(PICTURES, range(6), budget=10**7)[0])
    rules, kept = thumbnail_styles(PICTURES, range(6), budget=whole // 2)
    assert kept == set(range(6))
    assert len(rules) <= whole // 2
    assert held(rules)[0][1].width < 160
    rules, kept = thumbnail_styles(PICTURES, [4, 2, 0], budget=2500)
    assert 4 in kept
    assert 0 not in kept
    assert held(rules)[4][1].width == SIZES[-1][0]


def test_nothing_wanted_or_no_room() -> None:
    assert thumbnail_styles(PICTURES, [], budget=100) == ("", frozenset())
    assert thumbnail_styles(PICTURES, [1], budget=10)[1] == frozenset()
