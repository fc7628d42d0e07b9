"""OpenCV: a decoder that takes half a picture for a whole one is found."""

from typing import Any

import cv2
import numpy as np
import pytest

from kilnsense.doctor.pictures import check_opencv, check_pictures, check_truncated, check_video
from kilnsense.errors import ImageError


@pytest.mark.parametrize(
    ("version", "state"), [("4.11.0", "ok"), ("5.0.0", "ok"), ("4.10.0", "fail"), ("4.5.5", "fail")]
)
def test_an_old_opencv_is_found(version: str, state: str) -> None:
    assert check_opencv(version).state == state


def test_an_opencv_that_fills_up_a_cut_picture_is_found() -> None:
    """As versions before 4.11: the missing rows are grey."""

    def fill(data: Any, flags: int) -> Any:
        found = cv2.imdecode(data, flags)
        return np.full((120, 160, 3), 128, np.uint8) if found is None else found

    finding = check_truncated(imdecode=fill)
    assert finding.state == "fail"
    assert finding.found == "OpenCV takes 50% of a JPEG for a whole picture"


def test_an_opencv_that_fills_up_the_last_rows_only_is_found() -> None:
    sizes: list[int] = []

    def fill(data: Any, flags: int) -> Any:
        sizes.append(len(data))
        whole = cv2.imdecode(data, flags)
        return np.zeros((120, 160, 3), np.uint8) if whole is None and len(data) > sizes[0] * 0.8 else whole

    assert "OpenCV takes 90%" in check_truncated(imdecode=fill).found


def test_an_opencv_that_fills_up_only_progressive_pictures_is_found() -> None:
    def fill(data: Any, flags: int) -> Any:
        progressive = b"\xff\xc2" in bytes(data)
        return np.zeros((120, 160, 3), np.uint8) if progressive else cv2.imdecode(data, flags)

    assert check_truncated(imdecode=fill).state == "fail"


def test_a_decoder_of_ours_that_takes_a_cut_picture_is_found() -> None:
    finding = check_truncated(own=lambda _: "a frame")
    assert finding.state == "fail"
    assert finding.found == "kilnsense takes 50% of a JPEG for a whole picture"


def test_decoders_that_refuse_everything_are_found() -> None:
    def refuse(data: bytes) -> object:
        raise ImageError("damaged", "no")

    assert check_truncated(imdecode=lambda *_: None).found == "a whole JPEG cannot be read"
    assert check_truncated(own=refuse).found == "a whole JPEG cannot be read"


@pytest.mark.parametrize(("has", "state"), [(True, "ok"), (False, "warn")])
def test_an_opencv_without_ffmpeg_is_found(has: bool, state: str) -> None:
    assert check_video(has).state == state


def test_the_opencv_of_this_computer_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {finding.name: finding.state for finding in check_pictures()} == {
        "opencv": "ok",
        "truncated_jpeg": "ok",
        "video": "ok",
    }
    monkeypatch.setattr(cv2.videoio_registry, "hasBackend", lambda kind: kind != cv2.CAP_FFMPEG)
    assert check_video().state == "warn"
