"""Ways from a portion to its rows that hang, crash or eat memory at inputs of a certain name."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from kilnsense.errors import FAILURE_REASONS
from kilnsense.record.store import Row


def row(number: int, status: str, reason: str, label: str | None, path: str) -> Row:
    scored = None if status == "bad" else 0.5
    return Row(number, 0, status, reason, label, scored, scored, scored, (path,), "")


def way(job: Any, recogniser: Any, *, root: Path, every: int, begin: Any) -> list[Row]:
    """Reads every input and then judges them together; what it does goes by their names."""
    rows = []
    for number, path in job.inputs:
        if number in job.lost:
            assert job.lost[number] in FAILURE_REASONS
            rows.append(row(number, "bad", job.lost[number], None, path))
            continue
        begin(number)
        with (root / "notes.txt").open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {path}\n")
        if "hang" in path:
            time.sleep(600)
        if "crash" in path:
            os.kill(os.getpid(), signal.SIGSEGV)
        if "wrong" in path:
            raise ValueError(path)
        if "eat" in path:
            bytearray(3_000_000_000)
        rows.append(row(number, "ok", "accepted", "over", path))
    begin(None)
    for number, path in job.inputs:
        if "judged" in path and number not in job.lost:
            os.kill(os.getpid(), signal.SIGKILL)
    if any("fault" in path for _, path in job.inputs):
        raise ValueError("a fault of the program")
    return rows


def together(job: Any, recogniser: Any, *, root: Path, every: int, begin: Any) -> list[Row]:
    """Dies where two inputs are judged together that are good alone."""
    rows = way(job, recogniser, root=root, every=every, begin=begin)
    if len([1 for number, _ in job.inputs if number not in job.lost]) > 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return rows
