"""Keeps the station running: a process that does nothing else starts it, and starts it again when it dies.

If the supervisor itself is killed, the station notices within a second that it is alone, closes everything
and turns itself into a new supervisor. So any one process may be killed, and all is back within seconds.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import FrameType
from urllib.parse import urlsplit

from kilnsense.config import MonitorConfig
from kilnsense.errors import ConfigError, KilnsenseError, SourceError, StorageError
from kilnsense.growing_wait import growing_wait
from kilnsense.process_name import name_process

PATIENCE_S = 15.0
"""For the station to end when it is asked to."""

LONGEST_WAIT_S = 30.0
STATION = "kilnsense station"
HUNG_S = 30.0
"""Without a beat a station that had started hangs."""

STEADY_S = 60.0
"""A station that ran so long starts again at once."""

KINDS: dict[int, type[KilnsenseError]] = {2: ConfigError, 5: SourceError, 6: StorageError}
"""Errors by exit code: what the station could not do is raised here."""


@dataclass(frozen=True)
class Telling:
    """What the station says on the terminal.

    Attributes:
        readings: every reading as a line of JSON on standard output.
        quiet: no remarks.
    """

    readings: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class _Failed:
    """Why a station could not be started."""

    text: str
    exit_code: int


class _Ended(Exception):  # noqa: N818 - no error
    """Somebody asked the process to end."""


def supervise(config: MonitorConfig, telling: Telling, *, ready: Callable[[str], None]) -> None:
    """Runs a station until SIGTERM or Ctrl-C; one that dies is started again.

    Args:
        config: of the monitor.
        telling: what it says.
        ready: is told the address of the page once, when it can be opened.

    Raises:
        KilnsenseError: the station cannot be started; one that had been started is tried again for ever.
    """
    name_process("kiln-supervisor")
    before = {number: signal.signal(number, _end) for number in _heeded()}
    started, failures = False, 0
    try:
        while True:
            begun = time.monotonic()
            process, pipe = _start(config, telling)
            outcome = _hear(process, pipe)
            if isinstance(outcome, str) and not started:
                started = True
                config = _at_port(config, outcome)
                ready(outcome)
            elif isinstance(outcome, _Failed) and not started:
                raise KINDS.get(outcome.exit_code, KilnsenseError)(outcome.text)
            if isinstance(outcome, str):
                _follow(process, pipe, telling)
            pipe.close()
            process.join()
            failures = 0 if time.monotonic() - begun > STEADY_S else failures + 1
            why = f": {outcome.text}" if isinstance(outcome, _Failed) else ""
            _say(telling, f"the station ended with code {process.exitcode}{why}; it is started again")
            time.sleep(growing_wait(failures, longest=LONGEST_WAIT_S, sooner=0.5) if failures else 0.0)
    except (_Ended, KeyboardInterrupt):
        return
    finally:
        for number in (*before, signal.SIGINT):  # an end is not ended halfway
            before.setdefault(number, signal.signal(number, signal.SIG_IGN))
        for child in multiprocessing.active_children():
            if child.name == STATION:  # also one that was just being started
                _stop(child)
        for number, handler in before.items():
            signal.signal(number, handler)


def _heeded() -> list[signal.Signals]:
    """Signals that end it; one that it was told to ignore, as by nohup, it ignores."""
    asked = (signal.SIGTERM, signal.SIGHUP)
    return [number for number in asked if signal.getsignal(number) != signal.SIG_IGN]


def _at_port(config: MonitorConfig, address: str) -> MonitorConfig:
    """The same at the port that was taken, so that the address stays good when the station starts again."""
    web = config.web.model_copy(update={"port": urlsplit(address).port})
    return config.model_copy(update={"web": web})


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the form of a signal handler
    raise _Ended


def _say(telling: Telling, text: str) -> None:
    if not telling.quiet:
        sys.stderr.write(f"kilnsense: {text}\n")


def _start(config: MonitorConfig, telling: Telling) -> tuple[BaseProcess, Connection]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    again = [sys.executable, "-m", "kilnsense", *sys.argv[1:]]
    if "--no-browser" not in again:
        again.append("--no-browser")  # the page is open already
    process = context.Process(target=_station, args=(config, telling, theirs, again), name=STATION)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's business
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, before)
    theirs.close()
    return process, ours


def _hear(process: BaseProcess, pipe: Connection) -> str | _Failed:
    """The address of the page, or why there is none."""
    try:
        outcome = pipe.recv()
    except EOFError:
        process.join()
        return _Failed(f"the station died at its start with code {process.exitcode}; run it with --debug", 1)
    assert isinstance(outcome, str | _Failed)  # the station says nothing else
    return outcome


def _follow(process: BaseProcess, pipe: Connection, telling: Telling) -> None:
    """Until the station ends; one that is not heard of any more is ended."""
    try:
        while pipe.poll(HUNG_S):
            pipe.recv()
    except (EOFError, OSError):
        return
    _say(telling, f"the station has not been heard of for {HUNG_S:.0f} s")
    process.kill()


def _stop(process: BaseProcess) -> None:
    if process.is_alive():
        process.terminate()
        process.join(PATIENCE_S)
    if process.is_alive():
        process.kill()
    process.join()


def _station(config: MonitorConfig, telling: Telling, pipe: Connection, again: list[str]) -> None:
    """The life of the station's process."""
    name_process("kiln-station")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    started_by = multiprocessing.parent_process()
    assert started_by is not None  # it is a process of the supervisor
    stop, asked, parent = threading.Event(), threading.Event(), started_by.pid

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the form of a signal handler
        asked.set()
        stop.set()

    for number in _heeded():
        signal.signal(number, end)

    def ready(address: str) -> None:
        with suppress(OSError):
            pipe.send(address)

    def beat() -> None:
        with suppress(OSError):
            pipe.send(None)

    def watch_parent() -> None:
        while os.getppid() == parent and not stop.wait(1.0):
            pass
        stop.set()

    # Here, so that the supervisor itself stays small and starts at once.
    from kilnsense.monitor.station import run_station

    threading.Thread(target=watch_parent, name="parent", daemon=True).start()
    try:
        run_station(config, stop=stop, ready=ready, beat=beat, tell=sys.stdout if telling.readings else None)
    except KilnsenseError as error:
        with suppress(OSError):
            pipe.send(_Failed(str(error), error.exit_code))
        sys.exit(error.exit_code)
    if asked.is_set():
        return
    if os.getppid() == parent:
        sys.exit(1)  # a fault of the program ended it: the supervisor starts another one
    sys.stderr.write("kilnsense: the supervisor is gone; the station starts anew with one of its own\n")
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # such as the line to the old supervisor's helper
    os.execv(again[0], again)
