import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kilnsense.config import ImageConfig
from kilnsense.data.loader import load
from kilnsense.errors import InputError
from kilnsense.types import Failure, Frame


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    for number in range(9):
        Image.fromarray(np.full((40, 40 + number, 3), 20 * number, np.uint8)).save(tmp_path / f"{number}.png")
    (tmp_path / "4.png").write_bytes(b"this is no picture")
    return tmp_path


def decoding_threads() -> int:
    return sum(thread.name.startswith("decode") for thread in threading.enumerate())


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_frames_come_in_order_and_a_broken_file_ends_nothing(folder: Path, workers: int) -> None:
    paths = sorted(folder.iterdir(), reverse=True)
    results = list(load(paths, root=folder, config=ImageConfig(width=64), workers=workers))
    assert [result.source for result in results] == [path.name for path in paths]
    broken = [result for result in results if isinstance(result, Failure)]
    assert [(failure.source, failure.reason) for failure in broken] == [("4.png", "not_an_image")]
    frame = results[0]
    assert isinstance(frame, Frame)
    assert frame.pixels.shape == (40, 48, 3)
    assert (frame.pixels == 160).all()


def test_caps_of_the_config_are_applied(folder: Path) -> None:
    result = next(load([folder / "1.png"], root=folder, config=ImageConfig(max_megapixels=1e-3)))
    assert isinstance(result, Failure)
    assert result.reason == "too_many_pixels"


def test_a_picture_too_small_to_judge_is_refused_by_name(folder: Path) -> None:
    Image.new("RGB", (200, 31)).save(folder / "flat.png")
    result = next(load([folder / "flat.png"], root=folder, config=ImageConfig()))
    assert isinstance(result, Failure)
    assert (result.reason, result.source) == ("too_small", "flat.png")
    assert "200 x 31 pixels, needed: 32" in result.message


def test_look_ahead_is_bounded_and_threads_end_with_the_iterator(folder: Path) -> None:
    asked: list[Path] = []

    def paths() -> Iterator[Path]:
        for number in range(1000):
            asked.append(folder / f"{number % 4}.png")
            yield asked[-1]

    frames = load(paths(), root=folder, config=ImageConfig(), workers=2)
    next(frames)
    assert len(asked) <= 5
    assert decoding_threads() > 0
    frames.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 5
    while decoding_threads() and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert decoding_threads() == 0


def test_no_workers_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="workers: got 0, allowed: 1 and up"):
        load([], root=folder, config=ImageConfig(), workers=0)
