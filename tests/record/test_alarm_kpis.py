"""Activations out of a journal, and the figures of how well alarms served, against counting by hand."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from kilnsense.record.alarm_kpis import alarm_kpis, episodes_of
from kilnsense.types import AlarmEvent, AlarmStatus

HOUR = 3600.0


def say(at: float, action: str, alarm: str = "k.over", user: str = "", **status: object) -> AlarmEvent:
    quiet = AlarmStatus(alarm, "k", "burning", "medium", text="why")
    return AlarmEvent(at, action, replace(quiet, **status), user)  # type: ignore[arg-type]


def raised(moments: Sequence[float], alarm: str = "k.over", lasts: float = 1.0) -> list[AlarmEvent]:
    events = [say(at, "raised", alarm) for at in moments] + [
        say(at + lasts, "cleared", alarm) for at in moments
    ]
    return sorted(events, key=lambda event: event.at)


def test_an_activation_is_followed_from_raised_to_seen() -> None:
    events = [
        say(0, "shelved"),  # of an activation before the journal began
        say(10, "raised"),
        say(20, "raised", "k.camera"),
        say(40, "escalated", priority="high", text="worse"),
        say(50, "acknowledged", user="ann"),
        say(55, "acknowledged", user="bob"),
        replace(say(60, "shelved", user="ann"), reason="tuning"),
        say(70, "cleared"),
        say(80, "raised"),
        say(90, "cleared", latched=True),
        say(95, "acknowledged", user="cid"),
        say(99, "configured", "k.camera"),
    ]
    first, camera, second = episodes_of(events)
    assert (first.raised, first.cleared, first.acknowledged, first.by) == (10, 70, 50, "ann")
    assert (first.priority, first.text, first.shelved) == ("high", "worse", "tuning")
    assert (camera.alarm, camera.cleared, camera.acknowledged) == ("k.camera", 99, None)
    assert (second.raised, second.cleared, second.acknowledged, second.by) == (80, 90, 95, "cid")


def test_the_figures_of_a_quiet_shift() -> None:
    events = [say(100, "raised"), say(160, "acknowledged", user="ann"), say(300, "cleared")]
    kpis = alarm_kpis(events, since=0, until=8 * HOUR)
    assert (kpis.raised, kpis.most_in_ten_minutes, kpis.floods, kpis.flood_share) == (1, 1, (), 0.0)
    assert kpis.per_ten_minutes == pytest.approx(1 / 48)
    assert (kpis.chattering, kpis.stale, kpis.most_frequent) == ((), (), (("k.over", 1),))
    assert (kpis.acknowledged, kpis.median_acknowledge_s) == (1.0, 60.0)
    nothing = alarm_kpis([], since=0, until=HOUR)
    assert (nothing.raised, nothing.acknowledged, nothing.median_acknowledge_s) == (0, None, None)


def test_what_was_raised_before_or_on_the_shelf_is_not_counted_but_may_be_stale() -> None:
    events = [say(0, "raised"), say(90_000, "raised", "k.under", shelved_until=99_999.0)]
    kpis = alarm_kpis(events, since=88_000, until=90_500)
    assert (kpis.raised, kpis.stale) == (0, ("k.over",))
    assert alarm_kpis(events, since=80_000, until=86_000).stale == ()


@pytest.mark.parametrize(("gap", "chatters"), [(29.9, True), (30.0, False)])
def test_three_within_a_minute_chatter(gap: float, chatters: bool) -> None:
    events = raised([100, 100 + gap, 100 + 2 * gap]) + raised([100, 101], "k.under")
    assert alarm_kpis(events, since=0, until=HOUR).chattering == (("k.over",) if chatters else ())


def test_floods_are_those_of_a_slow_loop() -> None:
    rng = np.random.default_rng(2)
    moments = sorted({float(at) for at in [*rng.integers(0, 7000, 20), *rng.integers(7000, 8500, 45)]})
    kpis = alarm_kpis(raised(moments), since=0, until=4 * HOUR)
    flooded = set()
    for start in np.arange(0, 14_400, 1.0):  # every second, every window
        inside = [at for at in moments if start <= at < start + 600]
        if len(inside) > 10:
            flooded |= set(inside)
    assert len(flooded) > 10
    assert {at for at in moments if any(a <= at <= b for a, b, _ in kpis.floods)} == flooded
    assert sum(count for _, _, count in kpis.floods) == len(flooded)
    counts = [sum(start <= at < start + 600 for at in moments) for start in np.arange(0, 14_400, 1.0)]
    assert kpis.most_in_ten_minutes == max(counts)
    assert kpis.flood_share == pytest.approx(sum(b - a for a, b, _ in kpis.floods) / 14_400)


def test_ten_in_ten_minutes_are_no_flood() -> None:
    ten = [60.0 * n for n in range(10)]
    assert alarm_kpis(raised(ten), since=0, until=HOUR).floods == ()
    assert alarm_kpis(raised([*ten, 599.0]), since=0, until=HOUR).floods == ((0.0, 599.0, 11),)


def test_the_most_frequent_come_first_and_only_ten() -> None:
    events = [event for n in range(12) for event in raised(range(0, 100 * (n + 1), 100), f"k.a{n:02d}")]
    frequent = alarm_kpis(sorted(events, key=lambda e: e.at), since=0, until=HOUR).most_frequent
    assert [name for name, _ in frequent] == [f"k.a{n:02d}" for n in range(11, 1, -1)]
    assert frequent[0][1] == 12
