"""A shift as figures, and the times that people ask for."""

import json
from pathlib import Path

import pytest

from kilnsense.config import HistoryConfig
from kilnsense.errors import ConfigError, InputError
from kilnsense.record.history import HistoryWriter
from kilnsense.record.past import History
from kilnsense.record.shift import gather_shift, parse_moment, shift_to_dict
from tests.live.readings import CLASSES, START
from tests.record.test_history import event, write

CONFIG = HistoryConfig(free_gigabytes=0)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("8h", START - 28_800),
        ("30m", START - 1800),
        ("90s", START - 90),
        ("7d", START - 7 * 86_400),
        ("1.5h", START - 5400),
        ("2030-03-17T17:46:40", START),
        ("2030-03-17T18:46:40+01:00", START),
        ("2030-03-17", START - (17 * 3600 + 46 * 60 + 40)),
    ],
)
def test_moments_that_people_write(text: str, moment: float) -> None:
    assert parse_moment(text, START) == moment


@pytest.mark.parametrize(
    "text", ["", "h", "8", "-8h", "8 x", "yesterday", "1e5h", "9" * 400 + "d", "nanh", "²h"]
)
def test_moments_that_are_none(text: str) -> None:
    with pytest.raises(ConfigError, match=r"time: got .* allowed: 8h, 30m or 7d ago, or a time such as"):
        parse_moment(text, START)


def test_a_shift_counts_seconds_changes_and_turns(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path, CONFIG) as history:
        write(history, "nnnnoo?oo", START, 10.0)
        history.add_alarms([event(30), event(90, "acknowledged")], {})
    with HistoryWriter(tmp_path, CONFIG) as history:
        write(history, "nnn", START + 200, 10.0)
    with HistoryWriter(tmp_path, CONFIG) as history:
        write(history, "nn", START + 400, 10.0)  # the same word again is no change
    assert len(gather_shift(History(tmp_path), since=START, until=START + 500).cameras[0].changes) == 4
    shift = gather_shift(History(tmp_path), since=START + 5, until=START + 300)
    [camera] = shift.cameras
    assert (camera.camera, camera.classes) == ("kiln1", CLASSES)
    # A stretch ends where the next begins; what was published last before a stop, at its last reading.
    assert camera.seconds == {"normal": 35 + 20, "over": 20 + 10, "UNKNOWN": 10}
    assert camera.unknown == {"low_confidence": 10}
    assert camera.ran == 95
    assert [(one.at - START, one.before, one.after, one.reason) for one in camera.changes] == [
        (40, "normal", "over", ""),
        (60, "over", "UNKNOWN", "low_confidence"),
        (70, "UNKNOWN", "over", ""),
        (200, "over", "normal", ""),
    ]
    assert camera.turns == 2
    [alarm] = shift.alarms
    assert (alarm.raised, alarm.acknowledged, alarm.cleared, alarm.by) == (
        START + 30,
        START + 90,
        None,
        "ann",
    )
    told = json.loads(json.dumps(shift_to_dict(shift), allow_nan=False))
    assert told["schema"] == "kilnsense.monitor-report/1"
    assert told["since"] == "2030-03-17T17:46:45.000Z"
    assert told["cameras"][0]["seconds"] == {"normal": 55.0, "over": 30.0, "UNKNOWN": 10.0}
    assert told["cameras"][0]["ran_share"] == pytest.approx(95 / 295, abs=1e-5)
    assert told["alarms"][0]["raised"] == "2030-03-17T17:47:10.000Z"
    assert told["alarms"][0]["cleared"] is None
    assert told["kpis"]["most_frequent"] == {"kiln1.over": 1}


def test_what_was_over_before_is_no_alarm_of_the_shift_and_time_runs_forward(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path, CONFIG) as history:
        history.add_alarms([event(1), event(2, "cleared")], {})
    past = History(tmp_path)
    assert gather_shift(past, since=START + 3, until=START + 9).alarms == ()
    assert len(gather_shift(past, since=START + 2, until=START + 9).alarms) == 1
    with pytest.raises(
        InputError, match=r"report: from 2030.* to 2030.*, allowed: an end after the beginning"
    ):
        gather_shift(past, since=START, until=START)
