"""Faults of a picture must last, hide one another in order, and are measured against what is usual."""

import json

import cv2
import numpy as np
import pytest

from kilnsense.config import QualityConfig
from kilnsense.errors import InputError
from kilnsense.image.quality import assess
from kilnsense.image.still import small_luma
from kilnsense.live.picture import HOLD_S, LEARNT, RELEASE_S, PictureWatch
from kilnsense.types import BAD_PICTURES, Frame

HEIGHT, WIDTH, RATE = 90, 120, 2


def live(number: int) -> np.ndarray:
    """Frame of a noisy scene in which bright things move, (H, W, 3), 0..255."""
    coarse = np.random.default_rng(7).uniform(20, 200, (9, 12, 3))
    scene = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    moved = np.roll(scene, 4 * (number % 30), axis=1)
    return np.clip(moved + np.random.default_rng(number).normal(0, 6, moved.shape), 0, 255)


class Fed:
    """A watch that is fed at two frames a second, and what it said at each."""

    def __init__(self, watch: PictureWatch | None = None) -> None:
        self.watch, self.number, self.said = watch or PictureWatch(), 0, [""]

    def __call__(self, pixels: np.ndarray) -> str:
        frame = Frame(np.clip(pixels, 0, 255).astype(np.uint8))
        kind = self.watch.see(assess(frame, QualityConfig()), small_luma(frame), self.number / RATE)
        self.number += 1
        self.said.append(kind)
        return kind

    def normal(self, seconds: float) -> None:
        for _ in range(round(seconds * RATE)):
            self(live(self.number))

    def seconds_until(self, kind: str, make: object, limit: float = 40.0) -> float:
        begun = self.number
        while self(make(self.number)) != kind:  # type: ignore[operator]
            assert (self.number - begun) / RATE < limit, f"said {self.said[-5:]}"
        return (self.number - 1 - begun) / RATE


def soft(number: int) -> np.ndarray:
    """Blurred, yet not below the fixed limit: grain of the sensor stays."""
    grain = np.random.default_rng(number).normal(0, 2, (HEIGHT, WIDTH, 3))
    return cv2.GaussianBlur(live(number), (0, 0), 5) + grain


FAULTS = {
    "dark": lambda number: 0.05 * live(number),
    "over_exposed": lambda number: 4.0 * live(number) + 100,
    "frozen": lambda _: live(1000),
    "blurred": soft,
    "dusted": lambda number: (
        0.05 * live(number) + 150 + np.random.default_rng(number).normal(0, 1, live(0).shape)
    ),
}


@pytest.mark.parametrize("kind", BAD_PICTURES)
def test_a_fault_is_said_after_it_lasted_and_taken_back_after_it_was_gone(kind: str) -> None:
    fed = Fed()
    fed.normal(60)
    assert set(fed.said) == {""}
    wait = max(HOLD_S[kind], 10.0 if kind == "frozen" else 0.0)
    assert fed.seconds_until(kind, FAULTS[kind]) == pytest.approx(wait, abs=0.6)
    for _ in range(60):
        assert fed(FAULTS[kind](fed.number)) == kind
    back = fed.seconds_until("", live)
    assert back + 1 / RATE == RELEASE_S  # counted from the last bad frame
    assert set(fed.said) == {"", kind}


def test_single_bad_frames_do_not_count() -> None:
    fed = Fed()
    fed.normal(40)
    for _ in range(10):
        for kind in ("dark", "over_exposed", "blurred"):
            fed(FAULTS[kind](fed.number))
            fed.normal(3)
    assert set(fed.said) == {""}


def test_faults_that_flicker_do_not_flap() -> None:
    fed = Fed()
    fed.normal(40)
    begun = len(fed.said)
    for number in range(80):  # dark for every other frame
        fed(FAULTS["dark"](number) if number % 2 else live(number))
    changes = sum(one != other for one, other in zip(fed.said[begun:], fed.said[begun + 1 :], strict=False))
    assert changes == 1


def test_dark_and_white_pictures_are_not_called_frozen() -> None:
    for kind, level in (("dark", 0.0), ("over_exposed", 255.0)):
        fed = Fed()
        fed.normal(40)
        for _ in range(60):
            fed(np.full((HEIGHT, WIDTH, 3), level))
        assert set(fed.said) == {"", kind}


def test_a_frozen_picture_that_keeps_a_little_noise_needs_what_is_usual() -> None:
    def noisy(number: int) -> np.ndarray:
        return live(1000) + np.random.default_rng(number).normal(0, 1, (HEIGHT, WIDTH, 3))

    taught = Fed()
    taught.normal(60)
    kept = json.loads(json.dumps(taught.watch.usual()))
    again, new = Fed(PictureWatch(usual=kept)), Fed()
    assert again.seconds_until("frozen", noisy) == pytest.approx(10.0, abs=0.6)
    for number in range(60):
        assert new(noisy(number)) == ""


def test_nothing_is_learnt_from_bad_frames() -> None:
    fed = Fed()
    fed.normal(60)
    before = fed.watch.usual()
    assert before["frames"] >= LEARNT
    for kind in ("frozen", "blurred", "dark", "dusted"):
        fed.seconds_until(kind, FAULTS[kind])
        for _ in range(60):
            fed(FAULTS[kind](fed.number))
        fed.seconds_until("", live)
    after = fed.watch.usual()
    for name in ("motion", "sharpness", "contrast"):
        assert after[name] == pytest.approx(before[name], rel=0.02)


def test_what_is_usual_follows_a_lasting_change_slowly() -> None:
    fed = Fed()
    fed.normal(60)
    before = fed.watch.usual()["sharpness"]
    for _ in range(800):  # seven minutes with half the noise
        fed(live(0) * 0.3 + live(fed.number) * 0.7)
    after = fed.watch.usual()["sharpness"]
    assert 0.6 * before < after < 0.95 * before
    assert set(fed.said) == {""}


@pytest.mark.parametrize(
    "numbers", [{}, {"motion": 1.0}, {"motion": float("nan"), "sharpness": 1, "contrast": 1, "frames": 1}]
)
def test_what_was_kept_must_be_whole(numbers: dict[str, float]) -> None:
    with pytest.raises(InputError, match="usual: got"):
        PictureWatch(usual=numbers)


def test_every_kind_is_one_that_is_published() -> None:
    assert set(HOLD_S) == set(BAD_PICTURES)
