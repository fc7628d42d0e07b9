"""The drift of the class position, on a clock of the test's own."""

import numpy as np
import pytest

from kilnsense.live.trend import BINS, Bin, add, drift, trend
from kilnsense.types import STEADY

CLASSES = ("under", "normal", "over")
TREND_S = 600.0


def bins_of(positions: list[float], every: float, start: float = 0.0) -> tuple[Bin, ...]:
    """Frames whose class position is given, 0..1 between the first two classes."""
    bins: tuple[Bin, ...] = ()
    for number, position in enumerate(positions):
        shown = (1 - position, position, 0.0)
        bins = add(bins, start + number * every, shown, trend_s=TREND_S)
    return bins


def test_a_steady_climb_is_measured_whatever_the_rate() -> None:
    for every in (0.5, 2.0, 10.0):
        times = np.arange(0, TREND_S, every)
        bins = bins_of((0.1 + 0.6 * times / TREND_S).tolist(), every)
        gained = drift(bins, TREND_S - every, trend_s=TREND_S)
        assert gained == pytest.approx(0.6, abs=0.01)


def test_drift_is_the_median_of_all_pairs() -> None:
    rng = np.random.default_rng(0)
    positions = rng.uniform(0, 1, BINS)
    bins = bins_of(positions.tolist(), TREND_S / BINS)
    slopes = [(positions[j] - positions[i]) / (j - i) for i in range(BINS) for j in range(i + 1, BINS)]
    gained = drift(bins, TREND_S - 1, trend_s=TREND_S)
    assert gained == pytest.approx(float(np.median(slopes)) * BINS)


def test_a_minute_of_dust_turns_nothing() -> None:
    positions = [0.1 + 0.4 * n / 300 for n in range(300)]
    clear = drift(bins_of(positions, 2.0), 599.0, trend_s=TREND_S)
    dusty = positions.copy()
    dusty[230:260] = [0.0] * 30
    assert clear is not None
    assert drift(bins_of(dusty, 2.0), 599.0, trend_s=TREND_S) == pytest.approx(clear, abs=0.12)


def test_too_little_seen_says_nothing() -> None:
    half = bins_of([0.5] * 150, 2.0)
    assert drift(half, 300.0, trend_s=TREND_S) is None
    assert drift((), 0.0, trend_s=TREND_S) is None
    whole = bins_of([0.5] * 300, 2.0)
    assert drift(whole, 599.0, trend_s=TREND_S) == 0.0
    assert drift(whole, 599.0 + 0.5 * TREND_S, trend_s=TREND_S) is None


def test_old_bins_are_forgotten() -> None:
    assert len(bins_of([0.5] * 3000, 2.0)) == BINS


@pytest.mark.parametrize(
    ("gained", "best", "word"),
    [
        (None, 1, ""),
        (0.05, 1, STEADY),
        (-0.05, 1, STEADY),
        (0.9, 0, "normal"),
        (0.9, 1, "over"),
        (0.9, 2, "over"),
        (-0.9, 1, "under"),
        (-0.9, 0, "under"),
    ],
)
def test_trend_names_the_class_that_is_drifted_to(gained: float | None, best: int, word: str) -> None:
    assert trend(gained, CLASSES, best) == word
