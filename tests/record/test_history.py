"""The history of a monitor: what was kept comes back, whatever happened to the process or the disk."""

import contextlib
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from kilnsense.config import HistoryConfig
from kilnsense.errors import SourceError, StorageError
from kilnsense.record.aggregates import BUCKET_S, bucket_start
from kilnsense.record.history import HistoryWriter, Surroundings
from kilnsense.record.past import History
from kilnsense.types import AlarmEvent, AlarmStatus, Reading, Region, Span
from tests.live.readings import CLASSES, START, make_reading

CONFIG = HistoryConfig(free_gigabytes=1.0)


class Computer:
    """Clocks and a disk as a test wants them."""

    def __init__(self) -> None:
        self.seconds, self.free_bytes = 0.0, 1e12

    def surroundings(self) -> Surroundings:
        return Surroundings(
            lambda: START + self.seconds, lambda: self.seconds, lambda _: int(self.free_bytes)
        )


def write(history: HistoryWriter, words: str, start: float, step: float = 0.5, camera: str = "kiln1") -> None:
    """A reading for each letter: u, n, o, or ? for UNKNOWN."""
    names = {"u": "under", "n": "normal", "o": "over", "?": "low_confidence"}
    for number, letter in enumerate(words):
        reading = make_reading(names[letter], start + number * step, camera=camera, seq=number)
        assert history.add(reading), history.trouble


def told(history: History, since: float = 0.0, until: float = 4e9) -> list[tuple[str, float, float]]:
    spans = history.spans("kiln1", since, until)
    return [(one.word, one.start - START, one.end - START) for one in spans]


def event(number: int, action: str = "raised") -> AlarmEvent:
    status = AlarmStatus("kiln1.over", "kiln1", "burning", "medium", active=True, since=START, text="té")
    return AlarmEvent(START + number, action, status, "ann", "why", 5.0 + number)


# Spans.


def test_spans_touch_where_the_monitor_ran_and_are_cut_to_what_is_asked(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path, CONFIG) as history:
        write(history, "nnnnoooo??nn", START, 2.0)
        write(history, "uu", START, 2.0, camera="kiln2")
        past = history.past
        assert told(past) == [("normal", 0, 8), ("over", 8, 16), ("UNKNOWN", 16, 20), ("normal", 20, 22)]
        assert past.spans("kiln1", START + 17, START + 18) == [
            Span("UNKNOWN", "low_confidence", START + 17, START + 18)
        ]
        assert told(past, START + 8, START + 9) == [("over", 8, 9)]
        assert told(past, START + 22, START + 99) == []
        assert past.cameras() == {"kiln1": CLASSES, "kiln2": CLASSES}


def test_a_restart_and_a_silence_leave_a_hole(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path, CONFIG) as history:
        write(history, "nnn", START, 1.0)
    with HistoryWriter(tmp_path, CONFIG) as history:
        write(history, "nnn", START + 5, 1.0)
        write(history, "nn", START + 100, 1.0)
        write(history, "oo", START + 400, 1.0)
        assert told(history.past) == [
            ("normal", 0, 2),
            ("normal", 5, 7),
            ("normal", 100, 101),
            ("over", 400, 401),
        ]


def test_a_clock_that_is_set_back_makes_no_overlap(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path, CONFIG) as history:
        write(history, "nnnnnnnnnn", START, 1.0)
        write(history, "oooo", START + 4, 1.0)
        assert told(history.past) == [("normal", 0, 4), ("over", 4, 7)]


# Readings and sums.


def test_readings_are_kept_at_changes_and_every_ten_seconds(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path, CONFIG) as history:
        write(history, "n" * 41 + "o" * 3, START)
        kept = history.past.readings("kiln1", START, START + 100)
        assert [(one.at - START, one.word) for one in kept] == [
            (0.0, "normal"),
            (10.0, "normal"),
            (20.0, "normal"),
            (20.5, "over"),
        ]
        assert kept[0].probabilities == (0.05, 0.9, 0.05)
        assert kept[0].health == "LIVE"
        stalled = make_reading("over", START + 22, health="STALLED")
        history.add(stalled)
        assert history.past.readings("kiln1", START + 22, START + 99)[0].health == "STALLED"


def vary(number: int, rng: np.random.Generator) -> Reading:
    word = str(rng.choice([*CLASSES, "unfamiliar"]))
    reading = make_reading(word, START + number * 7.3, seq=number)
    chances = tuple(rng.dirichlet(np.ones(3))) if reading.state else ()
    present = bool(rng.random() < 0.7)
    light = (float(rng.uniform(20, 90)), 1.0, 2.0)
    bed = Region("bed", present, float(rng.random()), light if present else (0.0, 0.0, 0.0))
    edge = float(rng.random()) if rng.random() < 0.6 else None
    return replace(
        reading,
        confidence=max(chances, default=0.0),
        probabilities=chances,
        regions=(Region("flame", False, 0.0), bed),
        bed_edge=edge,
    )


def test_sums_are_those_of_a_slow_loop_also_over_restarts(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    readings = [vary(number, rng) for number in range(200)]
    for part in range(0, 200, 33):  # in the middle of buckets
        with HistoryWriter(tmp_path, CONFIG) as history:
            assert all(history.add(reading) for reading in readings[part : part + 33])
    found = History(tmp_path).aggregates("kiln1", START, START + 3000)
    assert len(found) == 6
    for one in found:
        mine = [each for each in readings if one.start <= each.at < one.start + BUCKET_S]
        assert one.readings == len(mine) > 5
        known = [each for each in mine if each.state]
        assert one.shares == pytest.approx(
            {
                word: sum(each.word == word for each in mine) / len(mine)
                for word in {each.word for each in mine}
            }
        )
        assert sum(one.shares.values()) == pytest.approx(1.0)
        assert one.confidence == pytest.approx(np.mean([each.confidence for each in known]))
        assert one.probabilities == pytest.approx(np.mean([each.probabilities for each in known], axis=0))
        beds = [each.regions[1] for each in mine if each.regions[1].present]
        assert list(one.regions) == ["bed"]  # the flame was never there
        means = (np.mean([bed.area for bed in beds]), np.mean([bed.mean_lab[0] for bed in beds]))
        assert one.regions["bed"] == pytest.approx(means)
        edges = [each.bed_edge for each in mine if each.bed_edge is not None]
        assert one.bed_edge == pytest.approx(np.mean(edges))


def test_a_bucket_without_a_state_has_no_confidence(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path, CONFIG) as history:
        write(history, "??", START)
        [one] = history.past.aggregates("kiln1", START, START + 1)  # it began before
        assert (one.confidence, one.probabilities, one.bed_edge) == (None, (), None)
        assert (one.shares, one.start) == ({"UNKNOWN": 1.0}, bucket_start(START))


# Pictures and alarms.


def test_pictures_come_back(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path, CONFIG) as history:
        for number, why in enumerate(("regular", "change", "alarm")):
            data = bytes([number]) * 10
            assert history.add_picture(
                "kiln1", START + number, why=why, word="over", plain=data, overlay=data * 2
            )
        past = history.past
        listed = past.pictures("kiln1", START + 1, START + 2)
        assert [(one.camera, one.at, one.why, one.word) for one in listed] == [
            ("kiln1", START + 1, "change", "over")
        ]
        number = listed[0].id
        assert past.picture(number, overlay=False) == b"\x01" * 10
        assert past.picture(number, overlay=True) == b"\x01" * 20
        assert past.picture(99, overlay=False) is None
        next(tmp_path.rglob(f"*{number}.jpg")).unlink()
        assert past.picture(number, overlay=False) is None


def test_alarm_events_and_memory_come_back_in_order(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path, CONFIG) as history:
        assert history.past.alarm_memory() == {}
        assert history.add_alarms([event(2), event(1, "acknowledged")], {"format": 1, "x": 0.1})
        assert history.add_alarms([event(3, "cleared")], {"format": 1, "x": 0.2})
    past = History(tmp_path)
    assert past.alarm_events(0, 4e9) == [event(2), event(1, "acknowledged"), event(3, "cleared")]
    assert past.alarm_events(START + 2, START + 3) == [event(2)]
    assert past.alarm_memory() == {"format": 1, "x": 0.2}


def test_the_journal_is_on_the_disk_before_it_returns(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path, CONFIG) as history:
        levels = [
            writer.write(lambda rows: rows.execute("PRAGMA synchronous").fetchone()[0])
            for writer in (history._history, history._journal)
        ]
        assert levels == [1, 2]  # NORMAL, FULL


def test_an_empty_folder_holds_nothing_and_a_damaged_journal_is_said(tmp_path: Path) -> None:
    past = History(tmp_path)
    assert past.cameras() == {}
    assert past.spans("kiln1", 0, 4e9) == []
    (tmp_path / "alarms.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(SourceError, match=r"cannot be read .* start the monitor"):
        past.alarm_events(0, 4e9)


def test_readers_in_other_threads_see_whole_rows_while_it_is_written(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path, CONFIG) as history:
        seen: list[int] = []
        stop = threading.Event()

        def read() -> None:
            while not stop.is_set():
                rows = history.past.aggregates("kiln1", START, START + 300)
                seen.append(sum(one.readings for one in rows))

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        write(history, "no" * 150, START, 0.5)
        stop.set()
        for thread in threads:
            thread.join()
        assert len(seen) > 3
        assert sum(one.readings for one in history.past.aggregates("kiln1", START, START + 300)) == 300


# What happens to processes and disks.


def keep_on_writing(folder: Path, start: float, pipe: Connection) -> None:
    """What a child does until it is killed: every number that it sends is of something that was kept."""
    with HistoryWriter(folder, HistoryConfig(free_gigabytes=0)) as history:
        for number in range(100_000):
            word = ("normal", "over", "unfamiliar")[number // 7 % 3]
            at = start + number
            assert history.add(make_reading(word, at, seq=number)), history.trouble
            assert history.add_picture("kiln1", at, why="alarm", word=word, plain=b"p", overlay=b"o")
            if number % 5 == 0:
                assert history.add_alarms([event(number)], {"number": number})
            pipe.send(number)


def kill_while_writing(folder: Path, start: float, after: int) -> int:
    """Starts a child, kills it after so many things were kept; how many those were at the end."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=keep_on_writing, args=(folder, start, theirs))
    process.start()
    theirs.close()
    told = [ours.recv() for _ in range(after)]
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    with contextlib.suppress(EOFError):
        while True:
            told.append(ours.recv())
    process.join()
    ours.close()
    return max(told) + 1


def test_a_kill_damages_nothing_and_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    events, rng = 0, np.random.default_rng(11)
    for number in range(10):
        start = START + 1_000_000 * number + 150  # in the middle of a bucket
        end = start + 500_000
        kept = kill_while_writing(tmp_path, start, int(rng.integers(1, 60)))
        past = History(tmp_path)
        for name in ("history.sqlite", "alarms.sqlite"):
            with closing(sqlite3.connect(tmp_path / name)) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        counted = sum(one.readings for one in past.aggregates("kiln1", start, end))
        assert kept <= counted <= kept + 1
        assert past.spans("kiln1", start, end)[-1].end >= start + kept - 1
        pictures = past.pictures("kiln1", start, end)
        assert len(pictures) >= kept
        assert all(past.picture(one.id, overlay=True) == b"o" for one in pictures)
        journal = len(past.alarm_events(0, 4e9))
        assert journal >= events + (kept + 4) // 5
        events = journal
        assert past.alarm_memory()["number"] >= (kept - 1) // 5 * 5
    assert not list(tmp_path.glob("*.corrupt.*"))


FULL = """
import resource, sys
from pathlib import Path
from kilnsense.config import HistoryConfig
from kilnsense.record.history import HistoryWriter, Surroundings
from tests.live.readings import START, make_reading
from tests.record.test_history import event

def limit(most):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))

def picture():
    return history.add_picture("kiln1", START, why="regular", word="over", plain=b"p", overlay=b"x" * 70_000)

folder, clock, hard = Path(sys.argv[1]), [0.0], resource.getrlimit(resource.RLIMIT_FSIZE)[1]
around = Surroundings(monotonic=lambda: clock[0])
with HistoryWriter(folder, HistoryConfig(free_gigabytes=0), around) as history:
    assert all(history.add(make_reading("normal", START + n)) for n in range(10))
    assert history.add_alarms([event(0)], {})
    limit(60_000)
    assert not picture()
    assert "Pictures are not kept: output" in history.trouble, history.trouble
    assert not list(folder.rglob("*.jpg"))
    limit(4096)
    assert not any(history.add(make_reading("normal", START + n)) for n in range(10, 20))
    assert "The history is not kept: output" in history.trouble, history.trouble
    assert not any(history.add_alarms([event(n)], {"n": n}) for n in range(1, 20))
    assert "The alarm journal is not kept" in history.trouble
    limit(hard)
    clock[0] += 10
    assert history.add(make_reading("normal", START + 20))
    assert history.add(make_reading("normal", START + 21))
    assert picture()
    assert history.add_alarms([], {"n": 60})
    assert history.trouble == "", history.trouble
    assert history.past.alarm_events(0, 4e9) == [event(n) for n in range(20)]
    assert history.past.alarm_memory() == {"n": 60}
    spans = history.past.spans("kiln1", 0, 4e9)
    assert [(one.start - START, one.end - START) for one in spans] == [(0, 9), (20, 21)], spans
print("all is well")
"""


def test_a_full_disk_is_told_and_left_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, str(tmp_path / "history")]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.stdout == "all is well\n", told.stderr


def test_a_folder_that_cannot_be_written_is_told_and_left_behind(tmp_path: Path) -> None:
    folder, computer = tmp_path / "history", Computer()
    folder.write_text("a file where the folder should be", encoding="utf-8")
    with HistoryWriter(folder, CONFIG, computer.surroundings()) as history:
        assert "The history is not kept: output" in history.trouble
        assert "The alarm journal is not kept: output" in history.trouble
        assert not history.add(make_reading("normal"))
        assert not history.add_picture("kiln1", START, why="alarm", word="over", plain=b"p", overlay=b"o")
        assert not history.add_alarms([event(1)], {"a": 1})
        assert history.tidy() == 0
        assert "Old things cannot be removed" in history.trouble
        folder.unlink()
        computer.seconds = 4.0
        assert not history.add(make_reading("normal"))  # it does not try all the time
        computer.seconds = 6.0
        assert history.add(make_reading("normal"))
        assert history.add_picture("kiln1", START, why="alarm", word="over", plain=b"p", overlay=b"o")
        assert history.add_alarms([event(2)], {"a": 2})
        history.tidy()
        assert history.trouble == ""
        assert history.past.alarm_events(0, 4e9) == [event(1), event(2)]


def test_a_history_that_is_taken_away_is_begun_anew(tmp_path: Path) -> None:
    computer = Computer()
    with HistoryWriter(tmp_path, CONFIG, computer.surroundings()) as history:
        write(history, "nn", START)
        with closing(sqlite3.connect(tmp_path / "history.sqlite")) as connection:
            connection.execute("DROP TABLE spans")
        assert not history.add(make_reading("over", START + 1))
        assert "no such table" in history.trouble
        assert not history.add(make_reading("over", START + 1))


def test_another_monitor_is_refused(tmp_path: Path) -> None:
    with (
        HistoryWriter(tmp_path, CONFIG),
        pytest.raises(StorageError, match=r"another monitor writes it; end that one, or choose another"),
    ):
        HistoryWriter(tmp_path, CONFIG)
    HistoryWriter(tmp_path, CONFIG).__exit__()


@pytest.mark.parametrize("name", ["history.sqlite", "alarms.sqlite"])
@pytest.mark.parametrize("damage", ["random", "page", "short", "empty", "text"])
def test_a_damaged_file_is_set_aside_and_said(tmp_path: Path, name: str, damage: str) -> None:
    with HistoryWriter(tmp_path, CONFIG) as history:
        write(history, "nnoo" * 100, START)
        for number in range(50):
            history.add_alarms([event(number)], {"a": 1})
        history.add_picture("kiln1", START, why="alarm", word="over", plain=b"p", overlay=b"o")
    path = tmp_path / name
    data = bytearray(path.read_bytes())
    if damage == "random":
        noise = np.random.default_rng(5).integers(0, 256, len(data) - 4096, np.uint8)
        data[4096:] = noise.tobytes()
    elif damage == "page":  # a leaf in the middle, which no start needs to read
        table = {"history.sqlite": "readings", "alarms.sqlite": "events"}[name]
        with closing(sqlite3.connect(path)) as connection:
            asked = "SELECT rootpage FROM sqlite_master WHERE name = ?"
            [page] = connection.execute(asked, (table,)).fetchone()
        data[(page - 1) * 4096 : page * 4096] = b"\x07" * 4096
    changed = {"short": bytes(data[:6000]), "empty": b"", "text": b"hello " * 3000}
    path.write_bytes(changed.get(damage, bytes(data)))
    broken = path.read_bytes()
    with HistoryWriter(tmp_path, CONFIG, Computer().surroundings()) as history:
        assert history.trouble == ""
        [remark] = history.remarks
        assert remark.startswith(f"{path} was damaged; it is kept as {path}.corrupt.20300317T")
        [aside] = tmp_path.glob(f"{name}.corrupt.*")
        assert aside.read_bytes() == broken or not broken
        write(history, "uu", START + 900, 1.0)
        assert history.add_alarms([event(70)], {"a": 2})
        of_history = name == "history.sqlite"
        assert told(history.past)[-1] == ("under", 900, 901)
        assert (len(told(history.past)) == 1) == of_history
        assert (len(history.past.alarm_events(0, 4e9)) == 1) == (not of_history)
        assert (len(history.past.pictures("kiln1", 0, 4e9)) == 0) == of_history
        assert len(list(tmp_path.glob("pictures.corrupt.*"))) == of_history


def test_a_history_of_another_format_is_left_alone(tmp_path: Path) -> None:
    HistoryWriter(tmp_path, CONFIG).__exit__()
    with closing(sqlite3.connect(tmp_path / "history.sqlite")) as connection, connection:
        connection.execute("UPDATE facts SET value = '7'")
    with HistoryWriter(tmp_path, CONFIG) as history:
        assert "format 7, this kilnsense writes 1; install the one that wrote it" in history.trouble
        assert history.remarks == []


def test_little_space_stops_pictures_then_rows_and_never_the_journal(tmp_path: Path) -> None:
    computer = Computer()
    with HistoryWriter(tmp_path, CONFIG, computer.surroundings()) as history:

        def keeps() -> tuple[bool, bool, bool]:
            return (
                history.add_picture("kiln1", START, why="regular", word="over", plain=b"p", overlay=b"o"),
                history.add(make_reading("over", START + computer.seconds)),
                history.add_alarms([event(1)], {}),
            )

        assert keeps() == (True, True, True)
        computer.free_bytes, computer.seconds = 0.9e9, 1.0
        assert keeps() == (False, True, True)
        assert history.trouble == (
            f"Pictures are not kept: 0.90 GB are free at {tmp_path}, 1.00 GB must be; free space, or lower "
            "history.gigabytes."
        )
        computer.free_bytes, computer.seconds = 0.09e9, 2.0
        assert keeps() == (False, False, True)
        assert "The history is not kept: 0.09 GB are free" in history.trouble
        computer.free_bytes, computer.seconds = 5e9, 3.0
        assert keeps() == (True, True, True)
        assert history.trouble == ""
