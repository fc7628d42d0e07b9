"""Work that fails is begun anew after growing waits, says why, and ends when it is told to."""

import itertools
import threading
import time

import pytest

from kilnsense.links import lasting
from kilnsense.links.lasting import LastingThread
from tests.broker import until


def test_work_is_begun_anew_until_it_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lasting, "SOON", 0.01)
    calls: list[float] = []

    def work() -> None:
        calls.append(time.monotonic())
        if len(calls) < 5:
            raise OSError("nobody there")
        thread.well()
        while not thread.ending:
            thread.rest(60.0)

    thread = LastingThread("test", work)
    thread.start()
    until(lambda: len(calls) == 5 and thread.trouble == "")
    thread.close(5.0)
    waits = [after - before for before, after in itertools.pairwise(calls)]
    assert all(wait >= least for wait, least in zip(waits, (0.01, 0.02, 0.04, 0.08), strict=True))
    assert "test" not in {one.name for one in threading.enumerate()}


def test_what_is_wrong_is_said_while_it_waits() -> None:
    def work() -> None:
        raise KeyError

    thread = LastingThread("test", work, longest_wait=60.0)
    thread.start()
    until(lambda: thread.trouble == "KeyError")
    thread.close(5.0)  # does not wait for the next attempt
    assert "test" not in {one.name for one in threading.enumerate()}
