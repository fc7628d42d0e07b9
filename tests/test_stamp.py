from datetime import UTC, datetime

from kilnsense.stamp import stamp


def test_a_moment_has_milliseconds_and_z() -> None:
    assert stamp(datetime(2031, 2, 3, 4, 5, 6, 7890, tzinfo=UTC)) == "2031-02-03T04:05:06.007Z"
    assert stamp(datetime(2031, 2, 3, tzinfo=UTC)) == "2031-02-03T00:00:00.000Z"
