"""What a history removes: too old, then too much, the oldest first, and nothing else."""

import os
from pathlib import Path

import pytest

from kilnsense.config import HistoryConfig
from kilnsense.record.history import HistoryWriter
from kilnsense.record.history_files import PICTURES, bytes_of
from tests.live.readings import START, make_reading
from tests.record.test_history import Computer, event

DAY = 86_400.0


def fill(history: HistoryWriter, days: int, *, size: int = 1000) -> None:
    """Each day: ten readings of both cameras, ten pictures of `size` bytes, ten events."""
    for day in range(days):
        for number in range(10):
            at = START + day * DAY + number
            for camera in ("kiln1", "kiln2"):
                assert history.add(make_reading("normal", at, camera=camera))
            assert history.add_picture(
                "kiln1",
                at,
                why="regular",
                word="normal",
                plain=b"p" * (size // 2),
                overlay=b"o" * (size // 2),
            )
        history.add_alarms([event(int(day * DAY) + number) for number in range(10)], {"day": day})


@pytest.fixture
def computer() -> Computer:
    return Computer()


def test_what_is_too_old_goes_from_everywhere(tmp_path: Path, computer: Computer) -> None:
    config = HistoryConfig(days=3, free_gigabytes=0)
    with HistoryWriter(tmp_path, config, computer.surroundings()) as history:
        fill(history, 8)
        computer.seconds = 7.5 * DAY
        past = history.past
        before = len(list(tmp_path.rglob("*.jpg")))
        removed = history.tidy()
        first = START + 4.5 * DAY
        for camera in ("kiln1", "kiln2"):
            assert {round((one.start - START) // DAY) for one in past.spans(camera, 0, 4e9)} == {5, 6, 7}
            assert min(one.at for one in past.readings(camera, 0, 4e9)) >= first
            assert {round((one.start - START) / DAY) for one in past.aggregates(camera, 0, 4e9)} == {5, 6, 7}
        assert len(past.pictures("kiln1", 0, 4e9)) == 30
        assert len(list(tmp_path.rglob("*.jpg"))) == 60
        assert min(one.at for one in past.alarm_events(0, 4e9)) >= first
        assert len(past.alarm_events(0, 4e9)) == 30
        assert past.alarm_memory() == {"day": 7}
        assert before == 160
        # 50 pictures, 50 events; a reading, a sum (or two) and a span each day and camera
        assert 130 <= removed <= 140
        assert history.tidy() == 0
        assert history.trouble == ""


def test_beyond_its_bytes_the_oldest_pictures_go_first_then_rows(tmp_path: Path, computer: Computer) -> None:
    with HistoryWriter(tmp_path, HistoryConfig(free_gigabytes=0), computer.surroundings()) as history:
        fill(history, 30, size=10_000)
    rows = bytes_of(tmp_path) - bytes_of(tmp_path / PICTURES)
    config = HistoryConfig(free_gigabytes=0, gigabytes=(rows + 1_500_000) / 1e9)
    with HistoryWriter(tmp_path, config, computer.surroundings()) as history:
        assert history.tidy() > 100
        kept = history.past.pictures("kiln1", 0, 4e9)
        assert 100 <= len(kept) <= 150
        every = [START + day * DAY + number for day in range(30) for number in range(10)]
        assert [one.at for one in kept] == every[-len(kept) :]
        assert len(list(tmp_path.rglob("*.jpg"))) == 2 * len(kept)
        assert len(history.past.spans("kiln1", 0, 4e9)) == 30
        assert history.tidy() == 0
    assert bytes_of(tmp_path) <= config.gigabytes * 1e9


def test_without_pictures_the_oldest_rows_go(tmp_path: Path, computer: Computer) -> None:
    config = HistoryConfig(free_gigabytes=0, gigabytes=0.0004)
    with HistoryWriter(tmp_path, config, computer.surroundings()) as history:
        for number in range(4000):
            history.add(make_reading("normal", START + 10.0 * number, seq=number))
        history.add_picture("kiln1", START, why="regular", word="over", plain=b"p", overlay=b"o")
    with HistoryWriter(tmp_path, config, computer.surroundings()) as history:  # the log is empty again
        before = history.past.readings("kiln1", 0, 4e9)
        size = (tmp_path / "history.sqlite").stat().st_size
        assert size > 400_000
        assert history.tidy() > 100
        assert history.past.pictures("kiln1", 0, 4e9) == []
        after = history.past.readings("kiln1", 0, 4e9)
        assert 0 < len(after) < len(before)
        assert after == before[-len(after) :]
    assert (tmp_path / "history.sqlite").stat().st_size < 400_000


def test_what_was_set_aside_goes_first_when_space_is_short(tmp_path: Path, computer: Computer) -> None:
    with HistoryWriter(tmp_path, HistoryConfig(free_gigabytes=0), computer.surroundings()) as history:
        fill(history, 2, size=10_000)
    (tmp_path / "history.sqlite").write_bytes(b"damaged" * 1000)
    config = HistoryConfig(free_gigabytes=0, gigabytes=0.001)
    with HistoryWriter(tmp_path, config, computer.surroundings()) as history:
        assert "pictures.corrupt.2030" in history.remarks[0]
        for aside in tmp_path.glob("*.corrupt.*"):
            os.utime(aside, (START, START))  # not old
        assert history.tidy() == 0
        fill(history, 1, size=90_000)
        history.tidy()
        assert not list(tmp_path.glob("pictures.corrupt.*"))
        assert len(history.past.pictures("kiln1", 0, 4e9)) == 10
        assert history.trouble == ""


def test_ninety_days_stay_small(tmp_path: Path, computer: Computer) -> None:
    """A day of one camera that changes its word every ten minutes, without pictures."""
    with HistoryWriter(tmp_path, HistoryConfig(free_gigabytes=0), computer.surroundings()) as history:
        for number in range(864):  # a reading every 10 s, as are kept of two a second; a tenth of a day
            word = ("normal", "over")[number // 60 % 2]
            history.add(make_reading(word, START + 10.0 * number, seq=number))
    assert bytes_of(tmp_path) * 10 * 90 < 250e6
