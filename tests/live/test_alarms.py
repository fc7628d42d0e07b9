"""All alarms of a station: examples of how they hold each other back, and what holds for any story."""

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilnsense.config import AlarmConfig
from kilnsense.errors import ConfigError, InputError
from kilnsense.live.alarms import Alarms
from kilnsense.live.camera_alarms import STALE_S
from kilnsense.types import AlarmEvent, AlarmStatus, Moment
from tests.live.readings import CLASSES, START, make_reading

QUICK = AlarmConfig(
    on_delay_s=3,
    off_delay_s=5,
    high_after_s=20,
    camera_on_delay_s=4,
    camera_high_after_s=15,
    realarm_s=12,
    longest_shelf_s=30,
    chatter_count=3,
    chatter_s=40,
)
WORDS = (*CLASSES, "low_confidence", "unfamiliar", "camera_stalled", "bad_picture", "model_fault")
HEALTH = {"camera_stalled": "STALLED", "bad_picture": "BAD_PICTURE"}


def at(seconds: float) -> Moment:
    return Moment(START + seconds, 500.0 + seconds)


def make_alarms(config: AlarmConfig = QUICK, now: Moment | None = None) -> Alarms:
    return Alarms(config, {"kiln1": CLASSES, "kiln2": CLASSES}, now or at(0))


def tell(alarms: Alarms, word: str, second: float, camera: str = "kiln1") -> list[AlarmEvent]:
    reading = make_reading(word, START + second, camera=camera, health=HEALTH.get(word, "LIVE"))
    return alarms.observe(reading, at(second))


def play(alarms: Alarms, word: str, first: int, last: int) -> list[tuple[int, str, str]]:
    """(second, alarm, action) of all that happens, at a reading a second from both cameras."""
    told = []
    for second in range(first, last):
        events = [*tell(alarms, word, second), *tell(alarms, "normal", second, "kiln2")]
        told += [(second, event.status.id, event.action) for event in events]
    return told


def status(alarms: Alarms, name: str) -> AlarmStatus:
    return next(one for one in alarms.statuses() if one.id == name)


# Examples.


def test_the_alarms_of_a_station() -> None:
    listed = [(one.id, one.camera, one.kind, one.priority) for one in make_alarms().statuses()]
    assert listed == [
        *(
            (f"{camera}.{name}", camera, kind, priority)
            for camera in ("kiln1", "kiln2")
            for name, kind, priority in [
                ("under", "burning", "medium"),
                ("over", "burning", "medium"),
                ("unstable", "unstable", "medium"),
                ("camera", "camera", "low"),
                ("model", "model", "low"),
            ]
        ),
        ("storage", "", "storage", "low"),
    ]
    chosen = Alarms(AlarmConfig(states=("normal",)), {"k": CLASSES}, at(0)).statuses()
    assert [one.id for one in chosen] == ["k.normal", "k.unstable", "k.camera", "k.model", "storage"]
    odd = Alarms(AlarmConfig(), {"k": ("too cold!", "fine")}, at(0)).statuses()
    assert [one.id for one in odd[:2]] == ["k.too_cold_", "k.fine"]


def test_wrong_states_and_names_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"alarms.states: got hot, allowed: normal, over, under"):
        Alarms(AlarmConfig(states=("hot", "over")), {"k": CLASSES}, at(0))
    with pytest.raises(ConfigError, match="alarms of k: two have the same name"):
        Alarms(AlarmConfig(), {"k": ("unstable", "over")}, at(0))
    alarms = make_alarms()
    with pytest.raises(InputError, match=r"alarm 'kiln1\.hot': allowed: kiln1\.under, "):
        alarms.acknowledge("kiln1.hot", "ann", at(0))
    with pytest.raises(InputError, match="fault 'fire': allowed: storage"):
        alarms.fault("fire", True, "", at(0))
    with pytest.raises(InputError, match="camera 'kiln9': allowed: kiln1, kiln2"):
        tell(alarms, "over", 0, "kiln9")


def test_a_burning_state_is_raised_grows_and_is_cleared() -> None:
    alarms = make_alarms()
    assert play(alarms, "over", 0, 30) == [(3, "kiln1.over", "raised"), (23, "kiln1.over", "escalated")]
    text = status(alarms, "kiln1.over").text
    assert text.startswith("Burning zone is over at kiln1 since 2030-03-17 17:47 UTC. Evidence: probability")
    assert "0.90 in the newest frame, trend steady. Check: the live picture; fuel rate" in text
    alarms.acknowledge("kiln1.over", "ann", at(30))
    assert play(alarms, "normal", 30, 60) == [(35, "kiln1.over", "cleared")]


def test_unknown_neither_raises_nor_clears_and_holds_the_delays() -> None:
    alarms = make_alarms()
    assert play(alarms, "over", 0, 2) == []
    assert play(alarms, "low_confidence", 2, 500) == []
    assert play(alarms, "over", 500, 502) == [(501, "kiln1.over", "raised")]  # 2 s before, 1 s after
    assert play(alarms, "normal", 502, 504) == []
    assert play(alarms, "unfamiliar", 504, 900) == []
    assert play(alarms, "normal", 900, 910) == [(903, "kiln1.over", "cleared")]


@pytest.mark.parametrize(("word", "name"), [("bad_picture", "camera"), ("model_fault", "model")])
def test_a_dead_camera_or_model_suppresses_burning_alarms(word: str, name: str) -> None:
    alarms = make_alarms()
    assert play(alarms, "over", 0, 4) == [(3, "kiln1.over", "raised")]
    burning = ("unstable", "under", "over")
    assert play(alarms, word, 4, 30) == [
        (8, f"kiln1.{name}", "raised"),
        *((8, f"kiln1.{one}", "suppressed") for one in burning),
        (23, f"kiln1.{name}", "escalated"),
    ]
    assert not status(alarms, "kiln1.over").shown
    assert status(alarms, "kiln1.over").active
    assert not status(alarms, "kiln2.over").suppressed
    assert play(alarms, "over", 30, 60) == [
        (35, f"kiln1.{name}", "cleared"),
        *((35, f"kiln1.{one}", "unsuppressed") for one in burning),
        (49, "kiln1.over", "escalated"),  # 1 s before, 19 s since
    ]


def test_texts_of_camera_and_model_say_what_to_check() -> None:
    alarms = make_alarms()
    play(alarms, "bad_picture", 0, 5)
    assert "BAD PICTURE (dark) since 2030" in status(alarms, "kiln1.camera").text
    assert "Check: the glass" in status(alarms, "kiln1.camera").text
    play(alarms, "model_fault", 5, 10)
    assert "(model abc)" in status(alarms, "kiln1.model").text


def test_a_camera_that_falls_silent_is_noticed() -> None:
    alarms = make_alarms()
    tell(alarms, "over", 0)
    events = [event for second in range(1, 40) for event in alarms.tick(at(second))]
    of_camera = [(round(event.at - START), event.status.id, event.action) for event in events]
    edge = int(STALE_S)
    assert (3, "kiln1.over", "raised") in of_camera  # it could be believed for so long
    assert (edge + 4, "kiln1.camera", "raised") in of_camera
    assert (edge + 4, "kiln2.camera", "raised") in of_camera  # was never heard of
    assert "Nothing is heard of kiln2 since the start" in status(alarms, "kiln2.camera").text
    # One late look finds the same as many looks, at the moments that it can be sure of.
    late = make_alarms()
    tell(late, "over", 0)
    told = [(event.at - START, event.status.id, event.action) for event in late.tick(at(39))]
    assert told[0] == (edge, "kiln1.over", "raised")
    strip = [(one.id, one.active, one.suppressed) for one in alarms.statuses()]
    assert [(one.id, one.active, one.suppressed) for one in late.statuses()] == strip
    play(late, "normal", 40, 60)
    assert not any(one.active for one in late.statuses())


def swing(alarms: Alarms, first: int, cycles: int) -> list[tuple[int, str, str]]:
    told, second = [], first
    for _ in range(cycles):
        told += play(alarms, "over", second, second + 4)
        told += play(alarms, "normal", second + 4, second + 10)
        second += 10
    return told


def test_alarms_that_come_and_go_become_one_unstable_alarm() -> None:
    alarms = make_alarms()
    told = swing(alarms, 0, 10)
    raised = [(second, name) for second, name, action in told if action == "raised"]
    assert raised == [(3, "kiln1.over"), (13, "kiln1.over"), (23, "kiln1.unstable")]
    assert "3 alarms within 1 min" in status(alarms, "kiln1.unstable").text
    assert status(alarms, "kiln1.over").suppressed
    # The last activation was at 93: 40 s later it is quiet, and what lasts is an alarm of its own.
    after = play(alarms, "over", 100, 200)
    assert [one for one in after if one[1] != "kiln1.under"] == [
        (143, "kiln1.unstable", "cleared"),
        (143, "kiln1.over", "unsuppressed"),
        (143, "kiln1.over", "raised"),
        (163, "kiln1.over", "escalated"),
    ]


def test_storage_is_an_alarm_of_the_station() -> None:
    alarms = make_alarms()
    [event] = alarms.fault("storage", True, "disk is full; free space", at(1))
    assert (event.action, event.status.text) == ("raised", "disk is full; free space")
    assert alarms.fault("storage", True, "disk is full; free space", at(2)) == []
    assert alarms.fault("storage", False, "", at(3)) == []
    assert [event.action for event in alarms.tick(at(8)) if event.status.id == "storage"] == ["cleared"]


def test_an_hour_of_random_labels_makes_no_chatter() -> None:
    """Every fifth label is flipped; delays that would let all of them through have the guard alone."""
    rng = np.random.default_rng(7)
    for config in (AlarmConfig(), AlarmConfig(on_delay_s=0, off_delay_s=0)):
        alarms = make_alarms(config)
        raised: dict[str, list[float]] = {}
        for step in range(7200):
            word = str(rng.choice(("under", "over"))) if rng.random() < 0.2 else "normal"
            for event in tell(alarms, word, step / 2):
                if event.action == "raised":
                    raised.setdefault(event.status.id, []).append(event.monotonic)
        assert sum(map(len, raised.values())) <= 6
        for times in raised.values():
            assert all(third - first > 60 for first, third in zip(times, times[2:], strict=False))


def test_a_reading_at_the_last_moment_is_in_time() -> None:
    alarms = make_alarms()
    tell(alarms, "over", 0)
    assert tell(alarms, "normal", STALE_S) == []  # nobody saw that it lasted
    assert play(alarms, "normal", int(STALE_S) + 1, 40) == []


# What holds for any story.

STEPS = st.one_of(
    st.tuples(st.just("reading"), st.sampled_from(WORDS), st.integers(0, 12)),
    st.tuples(st.just("reading"), st.sampled_from(("over", "normal")), st.integers(1, 6)),
    st.tuples(st.just("tick"), st.just(""), st.integers(0, 25)),
    st.tuples(
        st.sampled_from(("acknowledge", "shelve", "unshelve")),
        st.sampled_from(("kiln1.over", "kiln1.under", "kiln1.unstable", "kiln1.camera", "kiln1.model")),
        st.integers(0, 3),
    ),
)
STORIES = st.lists(STEPS, min_size=1, max_size=60)


def step(alarms: Alarms, kind: str, what: str, second: float) -> list[AlarmEvent]:
    if kind == "reading":
        return tell(alarms, what, second)
    if kind == "tick":
        return alarms.tick(at(second))
    if kind == "acknowledge":
        return alarms.acknowledge(what, "ann", at(second))
    if kind == "shelve":
        return alarms.shelve(what, "ann", "why", 20.0, at(second))
    return alarms.unshelve(what, "ann", at(second))


def run(alarms: Alarms, story: list[tuple[str, str, int]]) -> list[tuple[set[str], AlarmEvent]]:
    """(words that held at its moment, event) of a story."""
    told, second, word = [], 0, ""
    for kind, what, wait in story:
        second += wait
        before = word
        word = what if kind == "reading" else word
        # A moment of the past can still be found out about at a reading: then the word before held. It held
        # up to the very moment of the reading, so that a delay may have run out at that moment, too.
        now = at(second).monotonic
        told += [
            ({before} if event.monotonic < now else {before, word}, event)
            for event in step(alarms, kind, what, second)
        ]
    return told


@settings(max_examples=150, deadline=None)
@given(STORIES)
def test_raised_and_cleared_alternate_and_nothing_suppressed_or_unseen_is_raised(
    story: list[tuple[str, str, int]],
) -> None:
    alarms = make_alarms()
    told = run(alarms, story)
    last: dict[str, AlarmStatus] = {}
    for words, event in told:
        now, name = event.status, event.status.id
        before = last.get(name)
        if event.action == "raised":
            assert before is None or not before.active
            assert now.active
            assert not now.acked
            assert not now.suppressed
            if now.kind == "burning":
                assert name.removeprefix("kiln1.") in words
        if event.action == "cleared":
            assert before is not None
            assert before.active
            assert not now.active
        if before is not None:
            # Nothing but a new activation or a question takes an acknowledgement back, ...
            if before.acked and not now.acked:
                assert event.action in ("raised", "realarmed")
            # ... and nothing but a person, or the end of what was not high, gives one.
            if not before.acked and now.acked:
                cleared = event.action == "cleared" and before.priority != "high"
                assert event.action == "acknowledged" or cleared
            if before.latched and not now.latched:
                assert event.action in ("acknowledged", "raised")
        last[name] = now
    assert {name: now for name, now in last.items() if name != "storage"}.items() <= {
        one.id: one for one in alarms.statuses()
    }.items()
    moments = [event.monotonic for _, event in told]
    assert moments == sorted(moments)


def stored(alarms: Alarms) -> Any:
    return json.loads(json.dumps(alarms.to_memory(), allow_nan=False))


@settings(max_examples=150, deadline=None)
@given(STORIES, STORIES)
def test_a_restart_at_any_point_changes_nothing(
    first: list[tuple[str, str, int]], then: list[tuple[str, str, int]]
) -> None:
    alarms = make_alarms()
    run(alarms, first)
    second = sum(wait for _, _, wait in first)
    word = next((what for kind, what, _ in reversed(first) if kind == "reading"), "normal")
    tell(alarms, word, second)
    memory = stored(alarms)
    back = make_alarms(now=at(second))
    assert back.restore(memory, at(second)) == []
    assert back.restore(memory, at(second)) == []
    assert back.statuses() == alarms.statuses()
    assert stored(back) == memory
    assert tell(back, word, second) == tell(alarms, word, second)
    # The other camera was never heard of: its time starts anew with the monitor.
    story = [("tick", "", 0), *then]
    for kind, what, wait in story:
        second += wait
        mine = [event for event in step(alarms, kind, what, second) if event.status.camera == "kiln1"]
        theirs = [event for event in step(back, kind, what, second) if event.status.camera == "kiln1"]
        assert mine == theirs


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(("over", "normal", "low_confidence")), min_size=1, max_size=80))
def test_delays_are_those_that_a_slow_loop_finds(words: list[str]) -> None:
    """A reading a second; seconds of UNKNOWN do not exist. No guard against chatter here."""
    alarms = make_alarms(QUICK.model_copy(update={"chatter_count": 10**6, "realarm_s": 1e9}))
    told = []
    for second, word in enumerate(words):
        actions = [event.action for event in tell(alarms, word, second)]
        told += [(second, action) for action in actions if action in ("raised", "cleared")]
    seen = [(second, word) for second, word in enumerate(words) if word != "low_confidence"]
    expected, active = [], False
    for number, (second, _) in enumerate(seen):
        need, wanted, action = (5, "normal", "cleared") if active else (3, "over", "raised")
        lasted = [word for _, word in seen[max(0, number - need) : number + 1]]
        if len(lasted) > need and set(lasted) == {wanted}:
            active = not active
            expected.append((second, action))
    assert told == expected


@settings(max_examples=60, deadline=None)
@given(STORIES)
def test_a_story_cut_by_clock_changes_is_the_same_story(story: list[tuple[str, str, int]]) -> None:
    """Delays do not ask the clock on the wall."""
    plain, jumping = make_alarms(), make_alarms()
    second = 0
    for number, (kind, what, wait) in enumerate(story):
        second += wait
        jump = Moment(START + (-1) ** number * 3600.0 * number, at(second).monotonic)
        mine = step(plain, kind, what, second)
        reading = make_reading(what, START, health=HEALTH.get(what, "LIVE")) if kind == "reading" else None
        if reading is not None:
            theirs = jumping.observe(reading, jump)
        elif kind == "tick":
            theirs = jumping.tick(jump)
        elif kind == "acknowledge":
            theirs = jumping.acknowledge(what, "ann", jump)
        elif kind == "shelve":
            theirs = jumping.shelve(what, "ann", "why", 20.0, jump)
        else:
            theirs = jumping.unshelve(what, "ann", jump)
        assert [(one.action, one.status.id, one.monotonic) for one in mine] == [
            (one.action, one.status.id, one.monotonic) for one in theirs
        ]


# Memory.


def test_time_that_the_monitor_did_not_run_does_not_count() -> None:
    alarms = make_alarms()
    play(alarms, "over", 0, 2)  # 1 s of 3 has run
    memory = stored(alarms)
    back = make_alarms(now=Moment(START + 7200, 3.0))
    assert back.restore(memory, Moment(START + 7200, 3.0)) == []
    assert back.tick(Moment(START + 7205, 8.0)) == []  # waits for the first reading
    told = []
    for second in range(6, 12):
        reading = make_reading("over", START + 7200 + second)
        told += [
            (second, event.action)
            for event in back.observe(reading, Moment(START + 7200 + second, 3.0 + second))
        ]
    assert told == [(8, "raised")]


def test_memory_of_what_is_gone_is_dropped_and_said() -> None:
    alarms = make_alarms()
    play(alarms, "over", 0, 10)
    memory = stored(alarms)
    fresh = Alarms(QUICK, {"kiln2": CLASSES, "new": CLASSES}, at(10))
    events = fresh.restore(memory, at(10))
    assert Counter(event.action for event in events) == {"configured": 5}
    assert {event.status.id for event in events} == set(memory["cameras"]["kiln1"]["alarms"])
    assert "camera kiln1 has no such alarm any more" in events[0].reason
    assert fresh.restore(stored(fresh), at(10)) == []  # said once


@pytest.mark.parametrize(
    "memory",
    [
        {},
        {"format": 2},
        {"format": 1},
        {"format": 1, "cameras": [1], "storage": 5, "text": ""},
        {"format": 1, "cameras": {"kiln1": 3, "kiln9": {"alarms": 7}}, "storage": {}, "text": ""},
        {"format": 1, "cameras": {"kiln1": {"alarms": {"kiln1.over": []}, "activations_ago": ["x"]}}},
    ],
)
def test_memory_that_cannot_be_read_stops_nothing(memory: dict[str, Any]) -> None:
    alarms = make_alarms()
    events = alarms.restore(memory, at(0))
    assert events
    assert {event.action for event in events} == {"configured"}
    assert alarms.statuses() == make_alarms().statuses()
    assert play(alarms, "over", 0, 5) == [(3, "kiln1.over", "raised")]
