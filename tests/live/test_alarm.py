"""The machine of one alarm, on a clock that the test turns."""

import json

import pytest

from kilnsense.errors import InputError
from kilnsense.live.alarm import Alarm, Rules
from kilnsense.types import AlarmStatus, Moment

WALL = 1_900_000_000.0


def make_alarm(priority: str = "medium", *, high_after_s: float | None = 600.0) -> Alarm:
    rules = Rules(60.0, 120.0, realarm_s=1800.0, longest_shelf_s=8 * 3600.0, high_after_s=high_after_s)
    return Alarm(AlarmStatus("kiln1.over", "kiln1", "burning", priority), rules)


def at(seconds: float) -> Moment:
    return Moment(WALL + seconds, seconds)


def play(alarm: Alarm, condition: bool, first: int, last: int) -> list[tuple[float, str]]:
    """(second, action) of what happens from `first` to `last` - 1, looked at every second."""
    told = []
    for second in range(first, last):
        alarm.follow(condition, second)
        events = [*alarm.leave_shelf(at(second)), *alarm.announce(second, at(second), lambda: "a text")]
        told += [(event.monotonic, event.action) for event in events]
    return told


def test_it_is_raised_after_the_on_delay_and_cleared_after_the_off_delay() -> None:
    alarm = make_alarm()
    assert play(alarm, True, 100, 200) == [(160, "raised")]
    assert (alarm.status.active, alarm.status.acked, alarm.status.shown) == (True, False, True)
    assert alarm.status.since == WALL + 160
    assert alarm.status.text == "a text"
    assert play(alarm, False, 200, 400) == [(320, "cleared")]
    assert (alarm.status.active, alarm.status.acked, alarm.status.latched) == (False, True, False)


def test_a_condition_that_comes_and_goes_starts_the_delays_anew() -> None:
    alarm = make_alarm()
    assert play(alarm, True, 0, 60) == []
    assert play(alarm, False, 60, 61) == []
    assert play(alarm, True, 61, 122) == [(121, "raised")]
    assert play(alarm, False, 122, 240) == []
    assert play(alarm, True, 240, 241) == []
    assert play(alarm, False, 241, 362) == [(361, "cleared")]


def test_it_grows_to_high_priority_and_stays_latched_until_somebody_has_seen_it() -> None:
    alarm = make_alarm()
    assert play(alarm, True, 0, 700) == [(60, "raised"), (660, "escalated")]
    assert play(alarm, False, 700, 900) == [(820, "cleared")]
    assert (alarm.status.latched, alarm.status.acked, alarm.status.shown) == (True, False, True)
    assert alarm.status.priority == "high"
    # Raised anew it is still the high one that nobody has seen.
    assert play(alarm, True, 900, 961) == [(960, "raised")]
    assert (alarm.status.priority, alarm.status.latched) == ("high", False)
    assert play(alarm, False, 961, 1100) == [(1081, "cleared")]
    assert [event.action for event in alarm.acknowledge("ann", 1100, at(1100))] == ["acknowledged"]
    assert (alarm.status.latched, alarm.status.shown, alarm.status.priority) == (False, False, "medium")
    assert play(alarm, True, 1100, 1161) == [(1160, "raised")]
    assert alarm.status.priority == "medium"


def test_what_was_seen_is_not_latched() -> None:
    alarm = make_alarm()
    play(alarm, True, 0, 700)
    alarm.acknowledge("ann", 700, at(700))
    assert play(alarm, False, 700, 900) == [(820, "cleared")]
    assert not alarm.status.latched
    assert alarm.status.priority == "medium"


def test_it_asks_again_while_it_is_active_and_acknowledged() -> None:
    alarm = make_alarm(high_after_s=None)
    play(alarm, True, 0, 100)
    [seen] = alarm.acknowledge("ann", 100, at(100))
    assert (seen.user, seen.status.acked) == ("ann", True)
    assert alarm.acknowledge("bob", 101, at(101)) == []  # she was the first
    assert play(alarm, True, 100, 4000) == [(1900, "realarmed")]  # and not again: nobody has answered
    alarm.acknowledge("bob", 4000, at(4000))
    assert play(alarm, False, 4000, 4100) == []
    assert play(alarm, False, 4100, 9000) == [(4120, "cleared")]


def test_a_shelf_hides_it_and_ends_by_itself() -> None:
    alarm = make_alarm(high_after_s=None)
    [event] = alarm.shelve("ann", "sensor is cleaned", 600.0, at(10))
    assert (event.action, event.user, event.reason) == ("shelved", "ann", "sensor is cleaned")
    assert play(alarm, True, 10, 600) == [(70, "raised")]
    assert (alarm.status.active, alarm.status.shown) == (True, False)
    assert play(alarm, True, 600, 700) == [(610, "unshelved")]
    assert (alarm.status.shown, alarm.status.acked) == (True, False)
    alarm.acknowledge("ann", 700, at(700))
    alarm.shelve("ann", "again", 3600.0, at(700))
    assert play(alarm, True, 700, 3000) == []  # nobody is asked again about what is shelved
    assert [event.action for event in alarm.unshelve("bob", at(3000))] == ["unshelved"]
    assert alarm.unshelve("bob", at(3000)) == []
    assert play(alarm, True, 3000, 3010) == [(3000, "realarmed")]


@pytest.mark.parametrize(
    ("user", "reason", "seconds", "said"),
    [
        ("ann", " ", 60.0, "reason: got ' ', allowed: 1 to 500 letters"),
        ("", "why", 60.0, "user: got ''"),
        ("ann", "w" * 501, 60.0, "reason: got 'wwww"),
        ("ann", "why", 0.0, "kiln1.over: shelved for 0 s, allowed: more than 0, at most 28800"),
        ("ann", "why", 28801.0, "at most 28800"),
        ("ann", "why", float("nan"), "at most 28800"),
    ],
)
def test_a_shelf_needs_a_name_a_reason_and_an_end(user: str, reason: str, seconds: float, said: str) -> None:
    alarm = make_alarm()
    with pytest.raises(InputError, match=said):
        alarm.shelve(user, reason, seconds, at(0))
    assert alarm.status.shelved_until is None


def test_a_suppressed_alarm_is_not_raised_and_is_hidden() -> None:
    alarm = make_alarm()
    assert [event.action for event in alarm.suppress(True, at(0))] == ["suppressed"]
    assert alarm.suppress(True, at(1)) == []
    assert play(alarm, True, 0, 300) == []
    assert [event.action for event in alarm.suppress(False, at(300))] == ["unsuppressed"]
    assert play(alarm, True, 300, 310) == [(300, "raised")]
    alarm.suppress(True, at(310))
    assert alarm.status.active
    assert not alarm.status.shown


def test_nothing_is_raised_for_a_condition_that_is_already_gone() -> None:
    alarm = make_alarm()
    alarm.suppress(True, at(0))
    play(alarm, True, 0, 100)
    play(alarm, False, 100, 150)
    alarm.suppress(False, at(150))
    assert play(alarm, False, 150, 400) == []


def test_memory_keeps_how_long_delays_ran_and_when_a_shelf_ends() -> None:
    alarm = make_alarm(high_after_s=None)
    play(alarm, True, 1000, 1050)
    alarm.shelve("ann", "why", 100.0, at(1050))
    memory = json.loads(json.dumps(alarm.remember(1050)))
    # The computer started anew: its monotonic clock counts from 0, and 30 s have passed on the wall.
    back, later = make_alarm(high_after_s=None), Moment(WALL + 1080, 5.0)
    back.recall(memory, 0.0, later)
    back.recall(memory, 0.0, later)
    told = []
    for second in range(200):
        moment = Moment(later.wall + second, later.monotonic + second)
        back.follow(True, second)
        events = [*back.leave_shelf(moment), *back.announce(second, moment, lambda: "t")]
        told += [(second, event.action) for event in events]
    assert told == [(10, "raised"), (70, "unshelved")]


def test_a_clock_that_was_set_back_lengthens_no_shelf_beyond_the_limit() -> None:
    alarm = make_alarm()
    alarm.shelve("ann", "why", 3600.0, at(0))
    back = make_alarm()
    back.recall(alarm.remember(0), 0.0, Moment(WALL - 1e7, 0.0))
    assert back.leave_shelf(Moment(WALL, 8 * 3600.0 - 1)) == []
    assert [event.action for event in back.leave_shelf(Moment(WALL, 8 * 3600.0))] == ["unshelved"]


@pytest.mark.parametrize(
    "change",
    [
        {"condition": 1},
        {"turned_ago": True},
        {"turned_ago": float("nan")},
        {"settled": None},
        {"status": {}},
        {"status": 5},
    ],
)
def test_memory_that_is_none_changes_nothing(change: dict[str, object]) -> None:
    alarm = make_alarm()
    play(alarm, True, 0, 100)
    before = alarm.remember(100)
    with pytest.raises((ValueError, KeyError, TypeError)):
        alarm.recall({**before, **change}, 500, at(500))
    assert alarm.remember(100) == before
