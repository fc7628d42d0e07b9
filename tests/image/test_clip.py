from pathlib import Path

import cv2
import numpy as np
import pytest

from kilnsense.errors import ImageError
from kilnsense.image.clip import clip_frames, split_name
from tests.labelled_run import CLIP


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a/clip.mp4#000025", ("a/clip.mp4", 25)),
        ("clip.mp4#1234567", ("clip.mp4", 1234567)),
        ("a.jpg", ("a.jpg", None)),
        ("a#1.jpg", ("a#1.jpg", None)),
        ("a.mp4#12", ("a.mp4#12", None)),
        ("shot#000025", ("shot#000025", None)),
        ("a#", ("a#", None)),
    ],
)
def test_a_name_is_split(name: str, parts: tuple[str, int | None]) -> None:
    assert split_name(name) == parts


def test_frames_are_those_of_a_plain_reading_of_the_video_in_rgb() -> None:
    capture = cv2.VideoCapture(str(CLIP))
    plain = [capture.read()[1] for _ in range(30)]
    capture.release()
    found = dict(clip_frames(CLIP, {29, 3}, root=CLIP.parent))
    assert list(found) == [3, 29]
    assert found[3].dtype == np.uint8
    for number, pixels in found.items():
        np.testing.assert_array_equal(pixels, plain[number][..., ::-1])
    assert (found[3] != found[29]).any()
    assert found[3][..., 0].mean() > found[3][..., 2].mean()  # a kiln is red rather than blue


def test_frames_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"run000.mp4: holds no frame 1000000; copy it again") as caught:
        list(clip_frames(CLIP, [0, 1_000_000], root=CLIP.parent))
    assert caught.value.reason == "damaged"
    with pytest.raises(ImageError, match="holds no frame 0") as caught:
        list(clip_frames(tmp_path / "none.mp4", [0], root=tmp_path))
    assert caught.value.reason == "missing"


def test_a_video_that_leads_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link.mp4").symlink_to(CLIP)
    with pytest.raises(ImageError, match="leads out of") as caught:
        list(clip_frames(tmp_path / "in" / "link.mp4", [0], root=tmp_path / "in"))
    assert caught.value.reason == "outside"
