"""Each flag is raised by its own fault and by no other."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from kilnsense.config import QualityConfig
from kilnsense.errors import InputError
from kilnsense.image.quality import assess
from kilnsense.types import Frame
from tests.image.scenes import frame, scene

CONFIG = QualityConfig()


@pytest.mark.parametrize(
    ("pixels", "flags"),
    [
        (scene(), ()),
        (scene() * 0.08, ("dark",)),
        (scene() * 3.0, ("saturated",)),
        (cv2.GaussianBlur(scene(), (0, 0), 12), ("blurred",)),
        (0.03 * scene() + 150 + 3 * (np.indices((90, 120)).sum(axis=0) % 2)[..., None], ("hazy",)),
    ],
)
def test_faults_and_their_flags(pixels: NDArray[np.float64], flags: tuple[str, ...]) -> None:
    quality = assess(frame(pixels), CONFIG)
    assert quality.flags == flags
    assert quality.usable == (not flags)


def test_haze_grows_as_transmission_falls() -> None:
    """Dust mixes every sight line with the same veil."""
    haze = [assess(frame(t * scene() + (1 - t) * 120), CONFIG).haze for t in (1.0, 0.7, 0.4, 0.2, 0.05, 0.0)]
    assert haze == sorted(haze)
    assert haze[0] < 0.5
    assert haze[-1] == 1.0


def test_red_that_clips_alone_is_a_hot_bed_and_no_fault() -> None:
    pixels = scene() * np.array([0.0, 0.6, 0.1]) + np.array([255.0, 0.0, 0.0])
    assert assess(frame(pixels), CONFIG).saturated == 0
    yellow = np.clip(pixels + np.array([0.0, 200.0, 0.0]), 0, 255)
    assert "saturated" in assess(frame(yellow), CONFIG).flags


@pytest.mark.parametrize("light", [0.4, 0.7, 1.0])
def test_only_a_picture_out_of_focus_is_blurred(light: float) -> None:
    """A dark picture has weaker edges, yet the grain of a sharp one stays well above the threshold."""
    sharp = frame(light * scene())
    soft = Frame(np.asarray(cv2.GaussianBlur(sharp.pixels, (0, 0), 6), np.uint8))
    assert assess(sharp, CONFIG).flags == ()
    assert assess(soft, CONFIG).flags == ("blurred",)


def test_masked_pixels_do_not_count() -> None:
    pixels = scene()
    pixels[:20] = 255
    mask = np.ones((90, 120), bool)
    mask[:22] = False
    assert assess(frame(pixels), CONFIG).saturated > 0.2
    assert assess(frame(pixels), CONFIG, mask=mask).saturated == 0


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(InputError, match="no pixel to judge"):
        assess(frame(scene()), CONFIG, mask=np.zeros((90, 120), bool))
