"""The desk: the journal first, then the board and everybody else, and one caller at a time."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from kilnsense.config import AlarmConfig
from kilnsense.errors import InputError
from kilnsense.live.alarms import Alarms
from kilnsense.live.board import Board
from kilnsense.monitor.desk import Desk
from kilnsense.monitor.watch import Clocks
from kilnsense.types import AlarmEvent, Moment
from tests.live.readings import CLASSES, make_reading

OVER = make_reading("over", 1000.0)


class Place:
    """A desk with a clock, and all that it told."""

    def __init__(self) -> None:
        self.now = 0.0
        self.told: list[str] = []
        self.memory: dict[str, Any] = {}
        clocks = Clocks(monotonic=lambda: self.now, wall=lambda: 1000.0 + self.now)
        self.board = Board("site", ["kiln1"])
        alarms = Alarms(AlarmConfig(), {"kiln1": CLASSES}, Moment(1000.0, 0.0))
        self.desk = Desk(alarms, self.board, self.journal, [self.hear], clocks=clocks)
        self.desk.restore(None)
        self.heard_first, self.told = self.told, []

    def journal(self, events: Sequence[AlarmEvent], memory: Mapping[str, Any]) -> bool:
        self.told += [f"journal {event.status.id} {event.action}" for event in events]
        self.memory = dict(memory)
        return True

    def hear(self, event: AlarmEvent) -> None:
        shown = {status.id: status for status in self.board.alarms()}[event.status.id]
        self.told.append(f"hear {event.status.id} {event.action} {shown.active}")

    def hold(self, seconds: float) -> None:
        """The same reading over so long, once a second."""
        for _ in range(int(seconds)):
            self.now += 1.0
            self.desk.observe(replace(OVER, at=1000.0 + self.now))


@pytest.fixture
def place() -> Place:
    return Place()


def test_all_alarms_are_on_the_board_from_the_start(place: Place) -> None:
    ids = [status.id for status in place.board.alarms()]
    assert "kiln1.over" in ids
    assert "storage" in ids
    assert not any(status.active for status in place.board.alarms())
    assert place.heard_first == [f"hear {alarm} configured False" for alarm in ids]


def test_an_alarm_is_in_the_journal_and_on_the_board_before_anybody_hears_of_it(place: Place) -> None:
    place.hold(59)
    assert place.told == []
    place.hold(3)
    assert place.told == ["journal kiln1.over raised", "hear kiln1.over raised True"]


def test_answers_reach_the_alarm_and_unknown_alarms_are_refused(place: Place) -> None:
    place.hold(62)
    place.desk.acknowledge("kiln1.over", user="ann")
    place.desk.shelve("kiln1.over", user="ann", reason="trial", seconds=600.0)
    (status,) = [status for status in place.board.alarms() if status.id == "kiln1.over"]
    assert status.acked
    assert status.shelved_until == 1062.0 + 600.0
    place.desk.unshelve("kiln1.over", user="ann")
    assert place.told[-1] == "hear kiln1.over unshelved True"
    with pytest.raises(InputError, match="alarm 'none'"):
        place.desk.acknowledge("none", user="ann")


def test_a_fault_of_the_storage_is_an_alarm_and_its_end_clears_it(place: Place) -> None:
    place.desk.fault(True, "The disk is full.")
    assert "journal storage raised" in place.told
    place.desk.fault(False, "")
    place.now += 1000.0
    place.desk.tick()
    assert "journal storage cleared" in place.told


def test_a_desk_goes_on_where_another_one_was_killed(place: Place) -> None:
    place.hold(40)
    place.desk.note()
    again = Place()
    again.desk.restore(place.memory)
    again.hold(22)
    assert "journal kiln1.over raised" in again.told, "the delay that had run before the kill counts"
    fresh = Place()
    fresh.hold(22)
    assert fresh.told == []


def test_many_threads_may_answer_at_once(place: Place) -> None:
    place.hold(62)
    threads = [
        threading.Thread(target=place.desk.acknowledge, args=("kiln1.over",), kwargs={"user": f"user{n}"})
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert place.told.count("journal kiln1.over acknowledged") == 1
