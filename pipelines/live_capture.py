"""How a camera is followed that stalls, is silent, drops the line, and returns; and how old its pictures are.

    python -m pipelines.live_capture [--cycles 20] [--outage 6] [--seconds 60]

Run it in the root of the repository: its camera is the RTSP server of the tests, in this same process, whose
own work makes the ages a little longer. The settings are the usual ones. Printed is JSON: for each mode the
slowest answers in seconds (failing: STALLED or OFFLINE is said; back: LIVE again), what is left of processes
and descriptors, and for 1920x1080 at 25 frames a second the age of the newest picture, from when the camera
sent it, at two looks a second, and the share of a core that the process takes.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from multiprocessing import resource_tracker
from pathlib import Path

import numpy as np

from kilnsense.config.monitor import CameraConfig, CaptureConfig
from kilnsense.live.capture import Camera
from kilnsense.live.shared_frame import SharedFrame
from tests.rtsp_server import RtspServer, read_number

MODES = ("mute", "stall", "drop")


def until(camera: Camera, wanted: Callable[[str], bool], limit: float) -> float:
    """Seconds until the state is one that is wanted; infinite beyond the limit."""
    begun = time.monotonic()
    while (now := time.monotonic()) < begun + limit:
        if wanted(camera.poll(now).state):
            return now - begun
        time.sleep(0.05)
    return float("inf")


def cycle(server: RtspServer, camera: Camera, mode: str, outage: float) -> tuple[float, float]:
    """Seconds until the failure is said, and until the camera is LIVE after it returned."""
    server.mode, begun = mode, time.monotonic()
    failing = until(camera, lambda state: state in ("STALLED", "OFFLINE"), 30)
    until(camera, lambda _: False, begun + outage - time.monotonic())
    server.mode = "normal"
    back = until(camera, lambda state: state == "LIVE", 60)
    until(camera, lambda _: False, 3.0)
    return failing, back


def held() -> tuple[int, int]:
    """Child processes and descriptors of this process."""
    tasks = Path("/proc/self/task").iterdir()
    children = sum(len((task / "children").read_text().split()) for task in tasks)
    return children, len(list(Path("/proc/self/fd").iterdir()))


def processor_seconds(process: int) -> float:
    """That a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ages(seconds: float) -> dict[str, float]:
    """Of the newest picture at two looks a second, and what its process costs."""
    found = []
    with RtspServer(size=(1920, 1080)) as server, Camera(_config(server), CaptureConfig()) as camera:
        until(camera, lambda state: state == "LIVE", 30)
        until(camera, lambda _: False, 3)
        process = camera.process_id or 0
        used, begun = processor_seconds(process), time.monotonic()
        with SharedFrame(camera.memory) as memory:
            while time.monotonic() < begun + seconds:
                until(camera, lambda _: False, 0.5 + 0.1 * np.random.default_rng(len(found)).uniform())
                newest = memory.newest()
                if newest is not None:
                    found.append(time.monotonic() - server.moment(read_number(newest.pixels)))
        share = (processor_seconds(process) - used) / (time.monotonic() - begun)
    low, high = np.percentile(found, (50, 95))
    measured = {"age_p50_s": low, "age_p95_s": high, "age_max_s": max(found), "cpu_share": share}
    return {name: round(float(value), 3) for name, value in measured.items()}


def _config(server: RtspServer) -> CameraConfig:
    return CameraConfig(source=server.url, bundle="none")


def main() -> None:
    """Reads the command line, measures, prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--outage", type=float, default=6.0, help="seconds that the camera fails each time")
    parser.add_argument("--seconds", type=float, default=60.0, help="over which ages are measured")
    given = parser.parse_args()
    resource_tracker.ensure_running()  # one process for all of Python's own needs
    result: dict[str, object] = {"cycles": given.cycles, "outage_s": given.outage}
    before = held()
    for mode in MODES:
        with RtspServer() as server, Camera(_config(server), CaptureConfig()) as camera:
            until(camera, lambda state: state == "LIVE", 30)
            rows = [cycle(server, camera, mode, given.outage) for _ in range(given.cycles)]
        failing, back = (max(values) for values in zip(*rows, strict=True))
        result[mode] = {"failing_s": round(failing, 2), "back_s": round(back, 2)}
    result["left"] = dict(
        zip(("processes", "descriptors"), np.subtract(held(), before).tolist(), strict=True)
    )
    print(json.dumps({**result, "at_1080p": ages(given.seconds)}))


if __name__ == "__main__":
    main()
