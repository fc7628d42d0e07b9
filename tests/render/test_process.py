"""States, their bands, and how the bed temperature moves."""

from itertools import pairwise

import numpy as np
import pytest

from kilnsense.errors import InputError
from kilnsense.render.process import LAG_S, Schedule, draw_schedule, slow_noise, state_at, state_bands


def test_three_states_have_the_bands_of_cement_clinker() -> None:
    bands = state_bands(("under", "normal", "over"))
    assert [(b.low_c, b.high_c) for b in bands] == [(1280, 1390), (1420, 1480), (1510, 1600)]


@pytest.mark.parametrize("count", [2, 4, 8])
def test_other_numbers_of_states_share_the_range_with_gaps(count: int) -> None:
    bands = state_bands([f"s{i}" for i in range(count)])
    assert bands[0].low_c == pytest.approx(1280)
    assert bands[-1].high_c == pytest.approx(1600)
    gaps = [after.low_c - before.high_c for before, after in pairwise(bands)]
    assert gaps == pytest.approx([30.0] * (count - 1))


@pytest.mark.parametrize("names", [["one"], ["same", "same"], [str(i) for i in range(9)]])
def test_unusable_state_names_are_refused(names: list[str]) -> None:
    with pytest.raises(InputError, match="two to eight different names"):
        state_bands(names)


@pytest.mark.parametrize(
    ("temperature", "state", "ambiguous"),
    [
        (1200, "under", False),
        (1390, "under", False),
        (1400, "under", True),
        (1410, "normal", True),
        (1450, "normal", False),
        (1500, "over", True),
        (1700, "over", False),
    ],
)
def test_state_of_a_temperature(temperature: float, state: str, ambiguous: bool) -> None:
    assert state_at(state_bands(("under", "normal", "over")), temperature) == (state, ambiguous)


def test_step_is_half_done_after_22_minutes() -> None:
    schedule = Schedule(targets_c=(1300.0, 1500.0), holds_s=(3600.0, 1e6))
    assert schedule.at(3600.0) == pytest.approx(1300.0)
    assert schedule.at(3600.0 + 22 * 60) == pytest.approx(1400.0, abs=1e-6)
    assert schedule.at(3600.0 + 10 * LAG_S) == pytest.approx(1500.0, abs=0.1)


def test_schedule_repeats_without_a_jump() -> None:
    schedule = draw_schedule(np.random.default_rng(3), state_bands(("a", "b", "c")))
    period = sum(schedule.holds_s)
    assert schedule.at(period + 1.0) == pytest.approx(schedule.at(period - 1.0), abs=1.0)
    assert schedule.at(7.3 * period) == pytest.approx(schedule.at(6.3 * period), abs=0.5)


def test_most_schedules_visit_all_states_and_some_do_not() -> None:
    bands = state_bands(("a", "b", "c"))
    seen = []
    for seed in range(40):
        targets = draw_schedule(np.random.default_rng(seed), bands).targets_c
        names = [state_at(bands, target)[0] for target in targets]
        assert all(first != second for first, second in pairwise(names))
        seen.append(len(set(names)))
    assert set(seen) == {2, 3}
    assert np.mean(np.array(seen) == 3) > 0.5


def test_slow_noise_has_unit_variance_and_its_correlation_time() -> None:
    times = np.arange(0, 40_000, 100.0)
    runs = np.array(
        [
            [noise.at(t) for t in times]
            for noise in (slow_noise(np.random.default_rng(s), 1200.0) for s in range(40))
        ]
    )
    assert runs.mean() == pytest.approx(0, abs=0.1)
    assert runs.std() == pytest.approx(1, abs=0.08)
    lagged = np.mean(runs[:, :-12] * runs[:, 12:]) / np.mean(runs**2)
    assert lagged == pytest.approx(np.exp(-1), abs=0.12)
