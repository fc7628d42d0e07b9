"""The overlay shows the regions and can be read."""

import numpy as np
import pytest

from kilnsense.errors import InputError
from kilnsense.segment.overlay import TINTS, named_overlay, overlay
from kilnsense.segment.regions import regions
from kilnsense.types import Frame, Segmentation


def halves(width: int, height: int) -> tuple[Frame, Segmentation]:
    labels = np.zeros((height, width), np.int8)
    labels[:, width // 2 :] = 1
    pixels = np.where(labels[..., None] == 1, 200, 60).astype(np.uint8).repeat(3, axis=2)
    centres = np.array([[25, 0, 0], [80, 0, 0], [99, 0, 0]], np.float32)
    return Frame(pixels), Segmentation(labels, centres, ("wall", "bed", "flame"), 0.0)


@pytest.mark.parametrize(("size", "factor"), [((640, 480), 1), ((1920, 1080), 1), ((200, 100), 3)])
def test_picture_and_legend(size: tuple[int, int], factor: int) -> None:
    frame, segmentation = halves(*size)
    drawn = overlay(frame, segmentation, regions(frame, segmentation, min_area=0.002))
    height = factor * size[1]
    assert drawn.dtype == np.uint8
    assert drawn.shape[1] == factor * size[0]
    assert drawn.shape[0] > height + 20
    legend = drawn[height:].reshape(-1, 3)
    for tint in TINTS[:3]:
        assert (legend == tint).all(axis=1).any()
    assert (legend.min(axis=1) > 200).mean() > 0.002  # letters


def test_each_side_is_tinted_its_own_way() -> None:
    frame, segmentation = halves(640, 480)
    drawn = overlay(frame, segmentation, regions(frame, segmentation, min_area=0.002)).astype(int)
    left, right = drawn[240, 100], drawn[240, 500]
    assert left[2] > left[0]  # blue
    assert right[0] > right[1]  # magenta
    border = (drawn[:480] == TINTS[1]).all(axis=2)
    assert border[200:280, 310:330].any()
    assert not border[:, :300].any()
    assert not border[:, 340:].any()  # nor along the edge of the picture


def test_names_stand_inside_their_regions() -> None:
    frame, segmentation = halves(640, 480)
    drawn = named_overlay(frame, segmentation, regions(frame, segmentation, min_area=0.002))
    assert drawn.shape == (480, 640, 3)
    ink = (drawn == 240).all(axis=2)
    assert ink[:, 40:280].sum() > 50
    assert ink[:, 360:600].sum() > 50
    assert not ink[:, 300:340].any()


def test_the_frame_itself_is_left_alone() -> None:
    frame, segmentation = halves(640, 480)
    before = frame.pixels.copy()
    overlay(frame, segmentation, regions(frame, segmentation, min_area=0.002))
    np.testing.assert_array_equal(frame.pixels, before)


def test_what_does_not_belong_together_is_refused() -> None:
    frame, segmentation = halves(640, 480)
    found = regions(frame, segmentation, min_area=0.002)
    with pytest.raises(InputError, match="pass what belongs together"):
        overlay(frame, segmentation, found[:2])
