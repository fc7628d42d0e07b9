"""Checks as of folders on a server that is gone: the process that asks does not come back."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from kilnsense.doctor.findings import Finding


def sleeps(place: Path) -> Iterator[Finding]:
    (place / "process").write_text(str(os.getpid()), encoding="utf-8")
    yield Finding("first", "ok", "all well")
    while True:
        time.sleep(60)


def stops_itself(place: Path) -> Iterator[Finding]:
    (place / "process").write_text(str(os.getpid()), encoding="utf-8")
    yield Finding("first", "ok", "all well")
    os.kill(os.getpid(), signal.SIGSTOP)


def dies(_: Path) -> Iterator[Finding]:
    yield from ()
    os.kill(os.getpid(), signal.SIGKILL)


def refuses(_: Path) -> Iterator[Finding]:
    yield from ()
    raise PermissionError(13, "not allowed")
