"""What is made of one frame: the masks and heights that are its own."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from kilnsense.data.folders import list_images
from kilnsense.data.loader import load
from kilnsense.live.shared_frame import SharedPicture
from kilnsense.monitor.sighting import SCREEN_WIDTH, JudgeOrders, _bed_edge, sight_of
from kilnsense.recogniser import Recogniser
from kilnsense.types import Frame, Segmentation


def segmentation(rows: list[str]) -> Segmentation:
    """Of digits, slot by slot."""
    labels = np.array([[int(digit) for digit in row] for row in rows], np.int8)
    return Segmentation(labels, np.zeros((2, 3), np.float32), ("material", "flame"), 0.0)


def test_the_edge_of_the_bed_is_that_of_its_largest_part() -> None:
    speck_above = segmentation(["1101", "1111", "1111", "1111", "0001", "0000", "0000", "0000"])
    assert _bed_edge(speck_above, "material") == pytest.approx(0.5)
    assert _bed_edge(speck_above, "flame") == pytest.approx(1.0)


def test_without_a_bed_there_is_no_edge() -> None:
    none = segmentation(["11", "11"])
    assert _bed_edge(none, "material") is None
    assert _bed_edge(none, "clinker") is None


def test_the_clock_is_masked_and_wide_frames_are_reduced(
    tiny_root: Path, tiny_recogniser: Recogniser
) -> None:
    (frame,) = load(
        list_images(tiny_root / "run005")[:1], root=tiny_root, config=tiny_recogniser.config.image
    )
    assert isinstance(frame, Frame)
    wide = np.repeat(np.repeat(frame.pixels, 8, axis=0), 8, axis=1)
    corner = ((0.0, 0.0), (0.5, 0.0), (0.5, 0.25), (0.0, 0.25))
    orders = JudgeOrders("kiln1", Path("unused"), "unused", clock=corner)
    seen = sight_of(SharedPicture(1, 2.0, 3.0, wide), tiny_recogniser, orders, pictures=True)
    height, width = seen.luma.shape
    assert not seen.luma[: height // 4 - 1, : width // 2 - 1].any()
    assert seen.luma[height // 2 :].any()
    header = np.frombuffer(seen.plain, np.uint8)
    assert 0 < len(header) < wide.nbytes
    assert cv2.imdecode(header, cv2.IMREAD_COLOR).shape[1] == SCREEN_WIDTH
