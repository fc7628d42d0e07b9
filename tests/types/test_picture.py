import dataclasses

import numpy as np
import pytest

from kilnsense.errors import InputError
from kilnsense.types import Failure, Frame, Quality


def test_a_frame_knows_its_size() -> None:
    frame = Frame(np.zeros((4, 6, 3), np.uint8))
    assert (frame.width, frame.height) == (6, 4)
    reduced = Frame(np.zeros((4, 6, 3), np.uint8), width=600, height=400)
    assert (reduced.width, reduced.height) == (600, 400)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((4, 6), np.uint8), r"Frame\.pixels shape: got \(4, 6\), allowed: \(any, any, 3\)"),
        (np.zeros((4, 6, 4), np.uint8), r"Frame\.pixels shape: got \(4, 6, 4\)"),
        (np.zeros((4, 6, 3)), r"Frame\.pixels dtype: got float64, allowed: uint8"),
        (np.zeros((0, 6, 3), np.uint8), r"Frame\.pixels shape: got \(0, 6, 3\), allowed: at least 1 x 1"),
    ],
)
def test_a_frame_of_other_pixels_is_refused(pixels: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Frame(pixels)


def test_values_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match="source"):
        Frame(np.zeros((1, 1, 3), np.uint8)).source = "x"  # type: ignore[misc]


def test_a_failure_has_a_known_reason() -> None:
    assert Failure("a.jpg", "truncated", "ends early").sha256 == ""
    with pytest.raises(InputError, match=r"Failure\.reason: got 'odd', allowed: missing, outside"):
        Failure("a.jpg", "odd", "?")


def test_quality_is_usable_without_flags() -> None:
    assert Quality(0.5, 200, 0, 10, 0).usable
    assert not Quality(0.5, 200, 0, 10, 0, ("dark",)).usable
    with pytest.raises(InputError, match=r"Quality\.flags: got \['ugly'\], allowed: dark, saturated"):
        Quality(0.5, 200, 0, 10, 0, ("ugly",))
