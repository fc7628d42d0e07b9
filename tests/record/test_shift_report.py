"""The page of a shift: complete, escaped, without requests, and its answer on the first screen."""

import json
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from kilnsense.config import HistoryConfig
from kilnsense.errors import SourceError
from kilnsense.record.history import HistoryWriter
from kilnsense.record.shift import Shift, shift_to_dict
from kilnsense.record.shift_report import write_shift_report
from kilnsense.record.shift_ribbon import Period, duration
from tests.browser import open_browser
from tests.record.synthetic_shift import HOURS, START, STORY, write_shift
from tests.record.test_history import event, write

ZONE = timezone(timedelta(hours=1))


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shift") / "history"
    write_shift(folder)
    return folder


@pytest.fixture(scope="module")
def told(history: Path) -> tuple[Shift, Path]:
    out = history.parent / "report.html"
    times = {"since": START, "until": START + HOURS * 3600}
    return write_shift_report(history, out, **times, site="plant", zone=ZONE), out


def test_the_figures_are_those_of_the_story(told: tuple[Shift, Path]) -> None:
    shift, _ = told
    for camera in shift.cameras:
        story = STORY[camera.camera]
        ends = [begin for begin, _ in story[1:]] + [HOURS]
        expected: dict[str, float] = {}
        for (begin, word), end in zip(story, ends, strict=True):
            word = word if word in camera.classes or word == "monitor off" else "UNKNOWN"
            expected[word] = expected.get(word, 0) + (end - begin) * 3600
        expected.pop("monitor off")
        assert camera.seconds == pytest.approx(expected, abs=8.0 * len(story))
        assert camera.ran == pytest.approx(sum(expected.values()), abs=30)
    assert {one.alarm for one in shift.alarms} >= {
        "kiln1.over",
        "kiln1.under",
        "kiln1.camera",
        "kiln2.unstable",
    }
    assert shift.kpis.chattering == ()
    assert json.dumps(shift_to_dict(shift), allow_nan=False)


def test_the_page_says_it_all(told: tuple[Shift, Path]) -> None:
    text = told[1].read_text(encoding="utf-8")
    assert "2030-03-17 19:00 to 2030-03-18 03:00 (UTC+0100)" in text
    assert "Active at the end: kiln1.over." in text
    assert "camera stalled" in text
    assert "A. Tester, 20:26:40" in text
    assert ">nobody<" in text
    assert "monitor did not run: 2" in text
    assert "✓ 0" in text
    assert text.count("data:image/jpeg;base64,") >= 10
    assert len(text) < 1_000_000
    assert "None" not in text
    assert "nan" not in text.split("<body>")[1].split("base64")[0]


def test_it_opens_without_a_request_and_answers_first(told: tuple[Shift, Path], tmp_path: Path) -> None:
    with open_browser(tmp_path) as page:
        for width, height in ((1200, 900), (390, 844)):
            page.resize(width, height)
            page.goto(told[1].as_uri())
            seen = "document.querySelector('.lanes .axis').getBoundingClientRect().bottom"
            assert 0 < page.evaluate(seen) < height
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        lanes = "[...document.querySelectorAll('.ribbon')[0].querySelectorAll('.name')].map(e => e.innerText)"
        assert page.evaluate(lanes)[:5] == ["over", "normal", "under", "UNKNOWN", "⚑ over"]
        # Lanes stand at their times: over began at 1.4 h of 8.
        lane, track = "document.querySelector('.lane.hot i:not(.gap)')", "document.querySelector('.track')"
        place = f"({lane}.getBoundingClientRect().x - {track}.getBoundingClientRect().x)"
        assert page.evaluate(f"{place} / {track}.clientWidth") == pytest.approx(1.4 / 8, abs=0.01)
        broken = "[...document.images].filter(one => !one.naturalWidth).length"
        assert page.evaluate(broken) == 0
        assert set(page.requests) == {told[1].as_uri()}
        assert page.errors == []


def test_texts_from_outside_are_escaped_and_damaged_pictures_left_out(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path / "h", HistoryConfig(free_gigabytes=0)) as history:
        write(history, "nnoo", START, 10.0)
        for number, data in enumerate((b"", b"no picture", b"\xff\xd8\xff\xe0 cut")):
            history.add_picture("kiln1", START + number, why="change", word="over", plain=b"p", overlay=data)
        alarm = event(0)
        evil = type(alarm.status)("kiln1.over", "kiln1", "burning", "low", True, text="<script>x</script>")
        history.add_alarms([type(alarm)(START + 1, "raised", evil)], {})
        out = tmp_path / "r.html"
        write_shift_report(tmp_path / "h", out, since=START, until=START + 60, site="<b>")
    text = out.read_text(encoding="utf-8")
    assert "&lt;script&gt;x&lt;/script&gt;" in text
    assert "<script>" not in text
    assert "Shift report &lt;b&gt;" in text
    assert "data:image/jpeg" not in text


def test_a_time_without_a_monitor_and_a_folder_without_a_history(history: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    write_shift_report(history, out, since=START - 9000, until=START - 3000, zone=ZONE)
    text = out.read_text(encoding="utf-8")
    assert text.count("nothing was published in this time.") == 2
    assert "<p>None.</p>" in text
    with pytest.raises(SourceError, match=r"holds no history; give the history\.folder of a monitor"):
        write_shift_report(tmp_path, out, since=START, until=START + 1)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (3569, "59 min"),
        (3571, "1 h 00 min"),
        (93_000, "1 d 2 h"),
    ],
)
def test_durations_as_people_read_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_days_are_named_where_there_are_several() -> None:
    day = Period(START, START + 3600, ZONE)
    week = Period(START, START + 7 * 86_400, ZONE)
    assert day.clock(START) == "19:00:00"
    assert week.clock(START) == "17 Mar 19:00"
