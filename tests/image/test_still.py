"""A picture that stands still is found, whatever is done to hide it, and a live one is not."""

import numpy as np
import pytest

from kilnsense.errors import InputError
from kilnsense.image.still import StillWatch, frozen_frames, small_luma
from kilnsense.types import Frame
from tests.image.scenes import frame, scene


def stream(still_from: int, count: int = 60, *, jitter: float = 0.0, clock: bool = False) -> list[Frame]:
    """A drifting scene at 2 frames a second that stands still from one frame on."""
    rng = np.random.default_rng(3)
    base, frames = scene(1), []
    for index in range(count):
        moved = np.roll(base, min(index, still_from) * 3, axis=1) + rng.normal(0, jitter, base.shape)
        if clock:
            moved[:8, :30] = rng.uniform(0, 255, (8, 30, 1))
        frames.append(frame(moved))
    return frames


def test_a_frozen_stretch_is_found_and_a_live_one_is_not() -> None:
    frozen = frozen_frames(stream(30), rate=2.0)
    assert not frozen[:45].any()
    assert frozen[52:].all()
    assert not frozen_frames(stream(60), rate=2.0).any()


def test_a_frozen_picture_that_is_encoded_again_is_found() -> None:
    assert frozen_frames(stream(30, jitter=0.7), rate=2.0)[52:].all()


def test_a_ticking_clock_is_masked_out() -> None:
    mask = np.ones((90, 120), bool)
    mask[:10, :32] = False
    frames = stream(30, clock=True)
    assert frozen_frames(frames, rate=2.0, mask=mask, window=8.0)[52:].all()


def test_rate_must_be_positive() -> None:
    with pytest.raises(InputError, match="got rate 0"):
        frozen_frames(stream(5, 6), rate=0)


def test_frames_of_two_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="differ in size"):
        frozen_frames([frame(scene()), frame(scene()[:40])], rate=2.0)


def test_the_watch_agrees_with_comparing_every_pair_of_a_window() -> None:
    lumas = [small_luma(one) for one in stream(20, 50, jitter=0.3)]
    watch, usual = StillWatch(5.0), 8.0
    for end, luma in enumerate(lumas):
        slow = watch.see(luma, end / 2)
        pair = [np.abs(a.astype(float) - b).mean() for a, b in zip(lumas[2:], lumas, strict=False)]
        assert slow == (pytest.approx(pair[end - 2]) if end >= 2 else None)
        begin = max(end - 9, 2)
        expected = end >= 10 and all(value < 0.25 * usual for value in pair[begin - 2 : end - 1])
        assert watch.frozen(usual) == expected


def test_a_hole_in_time_begins_anew() -> None:
    watch, luma = StillWatch(5.0), small_luma(frame(scene()))
    for number in range(12):
        watch.see(luma, number / 2)
    assert watch.frozen(0.0)
    assert watch.see(luma, 20.0) is None
    assert not watch.frozen(0.0)


def test_another_size_begins_anew() -> None:
    watch = StillWatch(1.0)
    for number in range(4):
        watch.see(small_luma(frame(scene())), float(number))
    assert watch.frozen(0.0)
    watch.see(small_luma(frame(scene()[:40])), 4.0)
    assert not watch.frozen(0.0)


def test_the_small_luma_is_small_and_blind_where_it_should_be() -> None:
    mask = np.zeros((300, 640), bool)
    mask[:, :320] = True
    luma = small_luma(Frame(np.full((300, 640, 3), 200, np.uint8)), mask)
    assert luma.shape == (75, 160)
    assert luma.dtype == np.uint8
    assert (luma[:, :80] == 200).all()
    assert (luma[:, 80:] == 0).all()
