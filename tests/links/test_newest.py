"""A state that is not renewed is withdrawn, by the link's own clock."""

import pytest

from kilnsense.links.newest import Newest
from tests.links.made import AT, reading


def test_a_reading_ages_and_is_withdrawn_when_none_follows() -> None:
    now = 10.0
    newest = Newest(5.0, clock=lambda: now)
    assert newest.get("kiln1") is None
    newest.put(reading("over"))
    now = 15.0
    fresh = newest.get("kiln1")
    assert fresh is not None
    assert (fresh.reading, fresh.stale) == (reading("over"), False)
    assert fresh.frame_age == pytest.approx(5.2)
    now = 15.01
    late = newest.get("kiln1")
    assert late is not None
    assert (late.stale, late.reading.state, late.reading.reason) == (True, None, "stale")
    assert (late.reading.confidence, late.reading.probabilities) == (0.0, ())
    assert late.reading.since == AT + 5
    newest.put(reading("normal", seq=2))
    again = newest.get("kiln1")
    assert again is not None
    assert (again.stale, again.reading.state) == (False, "normal")
