"""The station towards the terminal; `tests/cli` runs whole ones."""

import contextlib
import json
import os
import threading
from queue import Queue

from kilnsense.monitor.station import _write_lines
from kilnsense.types import Reading
from tests.live.readings import make_reading

READING = make_reading("over", 0.0)


def test_readings_become_lines_until_nobody_takes_them() -> None:
    lines: Queue[Reading] = Queue()
    taken, given = os.pipe()
    to = os.fdopen(given, "w", encoding="utf-8")
    thread = threading.Thread(target=_write_lines, args=(lines, to, "plant"))
    thread.start()
    with os.fdopen(taken, encoding="utf-8") as reader:
        lines.put(READING)
        said = json.loads(reader.readline())
    assert (said["site"], said["camera"], said["state"]) == ("plant", "kiln1", "over")
    lines.put(READING)
    thread.join(10.0)
    assert not thread.is_alive()
    with contextlib.suppress(BrokenPipeError):  # what could not be written is tried once more
        to.close()
