"""What a live monitor does when its camera or one of its processes fails, on a real RTSP server.

    python -m pipelines.live_faults --bundle runs/demo/bundle --cycles 20

Streams rendered frames (synthetic) to `kilnsense monitor`, makes the server mute, stalled and dropped in
turn, then kills every process of the monitor, and prints how long it took until each was shown, published,
and well again: the worst of all cycles, in seconds. Run it in the root of the repository, on Linux.
"""

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kilnsense.render.sequence import plan_run, render_run
from kilnsense.types import UNKNOWN
from tests.rtsp_server import RtspServer

PROCESSES = ("kiln-camera", "kiln-judge", "kiln-station", "kiln-supervisor")
FRESH_S = 2.0


class Monitor:
    """A running `kilnsense monitor`, and what it says."""

    def __init__(self, source: str, bundle: Path, folder: Path, *, patience: float = 60.0) -> None:
        command = [sys.executable, "-m", "kilnsense", "monitor", "--source", source, "--bundle", str(bundle)]
        command += ["--history", str(folder), "--port", "0", "--no-browser", "--json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.patience, self.ages = patience, list[float]()
        self._newest: tuple[int, dict[str, object]] = (0, {})
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def seconds_until(self, is_so: Callable[[dict[str, object]], bool]) -> float:
        """Until a reading that comes from now on is so; `patience` where none is."""
        begun = time.monotonic()
        with self._changed:
            seen = self._newest[0]

            def came() -> bool:
                return self._newest[0] > seen and is_so(self._newest[1])

            found = self._changed.wait_for(came, self.patience)
            return time.monotonic() - begun if found else self.patience

    def tree(self) -> dict[str, list[int]]:
        """Ids of its processes by name. They have one session, whoever their parents are."""
        found: dict[str, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    name = (entry / "comm").read_text().strip()
                    dead = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
                    if name in PROCESSES and os.getsid(int(entry.name)) == os.getsid(0) and not dead:
                        found.setdefault(name, []).append(int(entry.name))
                except OSError:
                    continue
        return found

    def _read(self) -> None:
        assert self.process.stdout is not None
        for number, line in enumerate(self.process.stdout, start=1):
            reading = json.loads(line)
            with self._changed:
                self._newest = (number, reading)
                if reading["health"]["state"] == "LIVE" and reading["age_s"] is not None:
                    self.ages.append(reading["age_s"])
                self._changed.notify_all()


def is_live(reading: dict[str, object]) -> bool:
    """The camera is well, and the frame that was judged is a fresh one."""
    return (
        reading["health"]["state"] == "LIVE" and reading["age_s"] is not None and reading["age_s"] < FRESH_S
    )


def named(reading: dict[str, object]) -> bool:
    """A burning state is published."""
    return reading["state"] != UNKNOWN


def try_mode(monitor: Monitor, server: RtspServer, mode: str) -> tuple[float, float, float, float]:
    """Seconds until the fault is shown, UNKNOWN is published, and after its end LIVE and a state."""
    server.mode = mode
    shown = monitor.seconds_until(lambda reading: reading["health"]["state"] != "LIVE")
    unknown = shown + monitor.seconds_until(lambda reading: not named(reading))
    time.sleep(4.0)
    server.mode = "normal"
    live = monitor.seconds_until(is_live)
    return shown, unknown, live, live + monitor.seconds_until(named)


def try_kill(monitor: Monitor, name: str) -> tuple[float, float]:
    """Seconds after kill -9 until a fresh frame is judged by a whole set of processes, and until a state."""
    (victim,) = monitor.tree()[name]
    begun = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    while True:
        monitor.seconds_until(is_live)
        tree = monitor.tree()
        whole = all(len(tree.get(each, ())) == 1 for each in PROCESSES) and tree[name] != [victim]
        if whole or time.monotonic() - begun > monitor.patience:
            break
    back = time.monotonic() - begun
    return back, back + monitor.seconds_until(named)


def descriptors(monitor: Monitor) -> int:
    """Open files of the station."""
    (station,) = monitor.tree()["kiln-station"]
    return len(list(Path(f"/proc/{station}/fd").iterdir()))


def main() -> None:
    """Runs all faults and prints the worst times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--patience", type=float, default=60.0, help="seconds to wait for anything")
    parser.add_argument("--seed", type=int, default=5)
    asked = parser.parse_args()
    plan = plan_run(np.random.default_rng(asked.seed), difficulty="easy", size=(640, 480))
    frames = [frame.pixels for frame in render_run(plan, np.arange(100) / 25 + 1.0)]
    with tempfile.TemporaryDirectory() as folder, RtspServer(size=(640, 480), pictures=frames) as server:
        monitor = Monitor(server.url, asked.bundle, Path(folder), patience=asked.patience)
        monitor.seconds_until(named)
        before = descriptors(monitor)
        for mode in ("mute", "stall", "drop"):
            times = np.array([try_mode(monitor, server, mode) for _ in range(asked.cycles)]).max(axis=0)
            words = ("shown", "UNKNOWN", "LIVE again", "state again")
            told = ", ".join(f"{word} {worst:.1f}" for word, worst in zip(words, times, strict=True))
            print(f"{mode:<16} {asked.cycles} cycles, worst seconds: {told}", flush=True)
        print(f"open files of the station: {before} before, {descriptors(monitor)} after", flush=True)
        for name in PROCESSES:
            back, state = try_kill(monitor, name)
            print(f"kill -9 {name:<16} back after {back:.1f} s, a state after {state:.1f} s", flush=True)
        ages = np.sort(monitor.ages)
        print(
            "age of the judged frame, s: "
            + ", ".join(f"p{q} {np.percentile(ages, q):.2f}" for q in (50, 95, 100))
        )
        for pid in monitor.tree()["kiln-supervisor"]:
            os.kill(pid, signal.SIGTERM)
        time.sleep(5.0)
        with sqlite3.connect(Path(folder) / "history.sqlite") as history:
            print("history: " + history.execute("PRAGMA integrity_check").fetchone()[0])
        print(f"processes left: {sum(map(len, monitor.tree().values()))}")


if __name__ == "__main__":
    main()
