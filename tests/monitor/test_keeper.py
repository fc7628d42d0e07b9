"""Which pictures are kept: one now and then, those around a change, one of an alarm, none twice."""

from dataclasses import replace

import pytest

from kilnsense.live.board import LivePicture
from kilnsense.monitor.keeper import Keeper
from kilnsense.monitor.watch import Outcome
from kilnsense.types import AlarmEvent, AlarmStatus
from tests.live.readings import make_reading

NORMAL = make_reading("normal", 0.0)
RAISED = AlarmEvent(0.0, "raised", AlarmStatus("kiln1.over", "kiln1", "burning", "medium", active=True))


class Store:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float, str, str]] = []

    def add_picture(
        self, camera: str, at: float, *, why: str, word: str, plain: bytes, overlay: bytes
    ) -> bool:
        assert (plain, overlay) == (b"p%d" % at, b"o%d" % at)
        self.rows.append((camera, at, why, word))
        return True


@pytest.fixture
def store() -> Store:
    return Store()


def feed(keeper: Keeper, begin: float, end: float, state: str | None = "normal") -> None:
    """A picture a second, at whole seconds."""
    for second in range(round(begin), round(end)):
        picture = LivePicture(second + 1, float(second), b"p%d" % second, b"o%d" % second)
        reading = replace(NORMAL, state=state, reason="" if state else "camera_stalled")
        keeper.take(Outcome(reading, picture, 0.01), float(second))


def test_where_nothing_happens_one_is_kept_now_and_then(store: Store) -> None:
    feed(Keeper(store, every_s=30.0), 0, 100)
    assert [(at, why) for _, at, why, _ in store.rows] == [(at, "regular") for at in (0, 30, 60, 90)]


def test_around_a_change_those_before_and_after_are_kept_with_their_words(store: Store) -> None:
    keeper = Keeper(store, every_s=1000.0)
    feed(keeper, 0, 60)
    feed(keeper, 60, 120, "over")
    kept = [(at, word) for _, at, why, word in store.rows if why == "change"]
    assert kept == [
        (50, "normal"), (52, "normal"), (54, "normal"), (56, "normal"), (58, "normal"),
        (60, "over"), (62, "over"), (64, "over"), (66, "over"), (68, "over"), (70, "over"),
    ]  # fmt: skip


def test_no_picture_is_kept_twice(store: Store) -> None:
    keeper = Keeper(store, every_s=5.0)
    feed(keeper, 0, 20)
    feed(keeper, 20, 24, "over")
    feed(keeper, 24, 40)
    keeper.alarm(RAISED)
    moments = [at for _, at, _, _ in store.rows]
    assert len(moments) == len(set(moments))


def test_an_alarm_keeps_the_newest_picture_and_other_events_none(store: Store) -> None:
    keeper = Keeper(store, every_s=1000.0)
    keeper.alarm(RAISED)
    feed(keeper, 0, 10)
    keeper.alarm(replace(RAISED, action="cleared"))
    keeper.alarm(replace(RAISED, status=replace(RAISED.status, camera="other")))
    assert [why for _, _, why, _ in store.rows] == ["regular"]
    keeper.alarm(RAISED)
    assert store.rows[-1] == ("kiln1", 8.0, "alarm", "normal")


def test_unknown_is_a_change_too_and_needs_no_picture(store: Store) -> None:
    keeper = Keeper(store, every_s=1000.0)
    feed(keeper, 0, 20)
    keeper.take(Outcome(replace(NORMAL, state=None, reason="camera_stalled"), None, None), 20.0)
    assert [at for _, at, why, _ in store.rows if why == "change"] == [10, 12, 14, 16, 18]
