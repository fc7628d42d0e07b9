"""Events as rows: nothing is lost, and nonsense is refused."""

import pytest

from kilnsense.errors import SourceError
from kilnsense.record.alarm_journal import event_to_row, row_to_event
from kilnsense.types import AlarmEvent, AlarmStatus

STATUS = AlarmStatus(
    *("k.over", "k", "burning", "high", True, False, False, 12.5, "ann", "why", True, 3.25),
    text='"quoted" – ünïcode',
)


def test_an_event_survives_its_row() -> None:
    event = AlarmEvent(1.5, "shelved", STATUS, "ann", "why", 7.125)
    assert row_to_event(event_to_row(event)) == event


@pytest.mark.parametrize("status", ["", "{}", "[1]", '{"id": "a"}', '{"id": 1, "odd": 2}'])
def test_a_row_that_is_none_is_refused(status: str) -> None:
    row = event_to_row(AlarmEvent(1.5, "shelved", STATUS))
    with pytest.raises(SourceError, match="alarm journal: an event of 2 cannot be read"):
        row_to_event((*row[:3], status, *row[4:]))
