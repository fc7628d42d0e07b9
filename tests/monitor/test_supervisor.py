"""How the life of a station ends: asked, by a fault, or because it is alone. `tests/cli` kills real ones."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from kilnsense.config import check_monitor
from kilnsense.errors import SourceError
from kilnsense.monitor import station, supervisor
from kilnsense.monitor.supervisor import Telling, supervise

CONFIG = check_monitor({"cameras": [{"source": "sim:easy", "bundle": "none"}]})
AGAIN = ["/bin/sh", "-c", "exit 7"]
"""In place of a new supervisor: its exit code tells that it was started."""


def ends_at_once(*_: object, ready: Callable[[str], None], **__: object) -> None:
    """A station that ends by itself, as after a fault of the program."""
    ready("address")


def runs_until_stopped(*_: object, stop: threading.Event, ready: Callable[[str], None], **__: object) -> None:
    """A station that ends when it is told."""
    ready("address")
    stop.wait(60.0)


def hangs(*_: object, ready: Callable[[str], None], **__: object) -> None:
    """A station that starts and is not heard of again."""
    ready("http://127.0.0.1:1/")
    time.sleep(120.0)


def play_station(run: Callable[..., None], pipe: Connection) -> None:
    """A process that is a station in all but its work."""
    station.run_station = run
    supervisor._station(CONFIG, Telling(quiet=True), pipe, AGAIN)


def parent_of_station(run: Callable[..., None], pipe: Connection, told: Connection) -> None:
    """A supervisor that dies."""
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=play_station, args=(run, pipe))
    process.start()
    told.send(process.pid)
    time.sleep(60.0)


def start(target: Callable[..., None], *given: object) -> multiprocessing.process.BaseProcess:
    process = multiprocessing.get_context("spawn").Process(target=target, args=given)
    process.start()
    return process


def test_a_station_that_ends_by_a_fault_leaves_its_restart_to_the_supervisor() -> None:
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = start(play_station, ends_at_once, theirs)
    theirs.close()
    process.join(60.0)
    assert ours.recv() == "address"
    assert process.exitcode == 1, "7 would be a second supervisor beside the living one"


def test_a_station_that_is_asked_ends() -> None:
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = start(play_station, runs_until_stopped, theirs)
    assert ours.recv() == "address"
    assert process.pid is not None
    os.kill(process.pid, signal.SIGTERM)
    process.join(60.0)
    assert process.exitcode == 0


def test_a_station_without_a_supervisor_becomes_one() -> None:
    context = multiprocessing.get_context("spawn")
    (ours, theirs), (told, tells) = context.Pipe(), context.Pipe()
    parent = start(parent_of_station, runs_until_stopped, theirs, tells)
    pid = told.recv()
    assert ours.recv() == "address"
    assert parent.pid is not None
    os.kill(parent.pid, signal.SIGKILL)
    parent.join(60.0)
    until = time.monotonic() + 20.0
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive(pid), "it was not replaced by what stands for a supervisor, which ends at once"


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_station_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "HUNG_S", 0.5)
    ours, theirs = multiprocessing.get_context("spawn").Pipe(duplex=False)
    process = start(play_station, hangs, theirs)
    theirs.close()
    assert supervisor._hear(process, ours) == "http://127.0.0.1:1/"
    supervisor._follow(process, ours, Telling(quiet=True))
    process.join(10.0)
    assert process.exitcode == -signal.SIGKILL


def test_what_cannot_be_started_is_raised_and_leaves_signals_as_they_were() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SourceError, match=r"none: holds no bundle\.json"):
        supervise(CONFIG, Telling(quiet=True), ready=lambda _: pytest.fail("it was not ready"))
    assert signal.getsignal(signal.SIGTERM) == before
