import json
import time
from dataclasses import dataclass, replace

import pytest

from kilnsense.live.board import Board, LivePicture
from kilnsense.web.snapshot import Sights, snapshot
from tests.demo_board import OVER, reading


@dataclass
class Clocks:
    """Two clocks that are set by hand."""

    steady: float = 100.0
    wall: float = 0.0

    def pass_by(self, seconds: float) -> None:
        self.steady += seconds
        self.wall += seconds


def sights_of(board: Board) -> tuple[Sights, Clocks]:
    clocks = Clocks(wall=time.time())
    return Sights(board, lambda: clocks.steady, lambda: clocks.wall), clocks


def test_ages_are_counted_from_when_something_came() -> None:
    board = Board("works", ("kiln1", "kiln2"))
    sights, clocks = sights_of(board)
    assert sights.ages() == {"kiln1": (None, None), "kiln2": (None, None)}
    board.publish(reading("kiln1"))
    board.show("kiln1", LivePicture(1, time.time(), b"", b""))
    assert sights.ages()["kiln1"] == pytest.approx((0, 0), abs=0.5)
    clocks.pass_by(30)
    assert sights.ages()["kiln1"] == pytest.approx((30, 30), abs=0.5)
    board.publish(replace(reading("kiln1"), seq=2, at=clocks.wall))
    of_reading, of_picture = sights.ages()["kiln1"]
    assert of_reading == pytest.approx(0, abs=0.5)
    assert of_picture == pytest.approx(30, abs=0.5)


def test_what_was_there_before_the_first_look_is_as_old_as_it_says() -> None:
    board = Board("works", ("kiln1",))
    board.publish(replace(reading("kiln1"), at=time.time() - 12))
    assert sights_of(board)[0].ages()["kiln1"][0] == pytest.approx(12, abs=0.5)


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_a_clock_that_is_set_makes_nothing_old_or_young(jump: float) -> None:
    board = Board("works", ("kiln1",))
    sights, clocks = sights_of(board)
    board.publish(reading("kiln1"))
    sights.ages()
    clocks.pass_by(4)
    clocks.wall += jump
    assert sights.ages()["kiln1"][0] == pytest.approx(4, abs=0.5)
    clocks.pass_by(1)
    board.publish(replace(reading("kiln1"), seq=2))  # its moment is of the clock as it was before
    age = sights.ages()["kiln1"][0]
    assert age is not None
    assert 0 <= age <= 1.01


def test_everything_is_told() -> None:
    board = Board("works", ("kiln1", "kiln2"))
    board.publish(reading("kiln1", 7, "over", trend="over"))
    board.show("kiln1", LivePicture(3, 5.0, b"", b""))
    board.post((replace(OVER, active=True, acked=False), replace(OVER, id="a", shelved_until=9.0)))
    told = json.loads(snapshot(board, Sights(board), 123.0))
    assert (told["now"], told["site"]) == (123.0, "works")
    first, second = told["cameras"]
    assert (first["name"], first["reading"]["state"], first["reading"]["trend"]) == ("kiln1", "over", "over")
    assert first["reading"]["health"]["state"] == "LIVE"
    assert (first["picture"]["seq"], first["picture"]["at"]) == (3, 5.0)
    assert (second["reading"], second["picture"], second["age"]) == (None, None, None)
    assert [alarm["shown"] for alarm in told["alarms"]] == [True, False]
