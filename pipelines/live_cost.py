"""What it costs to watch one 1080p camera: processor, memory over time, and the age of what is shown.

    python -m pipelines.live_cost --bundle runs/demo/bundle --minutes 31

Streams rendered 1920x1080 frames (synthetic), 25 a second as RTP/JPEG, to `kilnsense monitor`, two decisions
a second, and prints the shares of its processes and their memory (pages shared by several counted once, PSS).
Run it in the root of the repository, on Linux.
"""

import argparse
import os
import signal
import tempfile
import time
from pathlib import Path

import numpy as np

from kilnsense.render.sequence import plan_run, render_run
from pipelines.live_faults import PROCESSES, Monitor, is_live
from tests.rtsp_server import RtspServer

SIZE = (1920, 1080)
TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(pid: int) -> float:
    """That a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def megabytes(pid: int) -> float:
    """Memory of a process, shared pages by share (PSS)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1e3


def main() -> None:
    """Watches for so long and prints what it cost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=31.0)
    parser.add_argument("--every", type=float, default=5.0, help="minutes between two looks")
    parser.add_argument("--seed", type=int, default=5)
    asked = parser.parse_args()
    plan = plan_run(np.random.default_rng(asked.seed), difficulty="easy", size=SIZE)
    frames = [frame.pixels for frame in render_run(plan, np.arange(25) / 25 + 1.0)]
    with tempfile.TemporaryDirectory() as folder, RtspServer(size=SIZE, pictures=frames) as server:
        monitor = Monitor(server.url, asked.bundle, Path(folder))
        monitor.seconds_until(is_live)
        pids = {name: monitor.tree()[name][0] for name in PROCESSES}
        begun, first = time.monotonic(), {name: processor_seconds(pid) for name, pid in pids.items()}
        monitor.ages.clear()
        while (left := begun + asked.minutes * 60 - time.monotonic()) > 0:
            time.sleep(min(left, asked.every * 60))
            minutes, memory = (time.monotonic() - begun) / 60, {n: megabytes(pid) for n, pid in pids.items()}
            told = ", ".join(f"{name} {used:.0f}" for name, used in memory.items())
            print(f"{minutes:5.1f} min: {sum(memory.values()):.0f} MB in all ({told})", flush=True)
        passed = time.monotonic() - begun
        shares = {name: (processor_seconds(pid) - first[name]) / passed for name, pid in pids.items()}
        told = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
        print(f"share of one core: {sum(shares.values()):.1%} ({told})")
        ages = np.percentile(monitor.ages, (50, 95, 100))
        print(
            "age of the judged frame when it is published, s: p50 {:.2f}, p95 {:.2f}, max {:.2f}".format(
                *ages
            )
        )
        os.kill(pids["kiln-supervisor"], signal.SIGTERM)
        monitor.process.wait()


if __name__ == "__main__":
    main()
