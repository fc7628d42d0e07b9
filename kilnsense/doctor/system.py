"""Cores, memory and clock of this computer."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kilnsense.doctor.findings import Finding, not_checked

MEMORY_WARN, MEMORY_FAIL = 1_000_000_000, 300_000_000
"""Bytes. Opening a model and judging one picture at a time takes about 0.25 GB."""

DAY = 86_400.0
OLDEST_YEAR = 2025
LONGEST_LIFE = 20 * 365 * DAY
"""Seconds after it was installed for which a program is believed to be in use."""

MOST_DRIFT = 0.02
"""Seconds by which two clocks may disagree about a quarter of a second."""


@dataclass(frozen=True)
class Limits:
    """What the control groups of this process allow; None where they set no limit.

    Attributes:
        memory: bytes.
        cores: processor time, in cores.
    """

    memory: int | None = None
    cores: float | None = None


def read_limits(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> Limits:
    """The tightest limits on the way from this process's control group (version 2) to the root."""
    line = next((line for line in _read(own).splitlines() if line.startswith("0::/")), "")
    folder = root / line.removeprefix("0::/")
    memory, cores = [], []
    for place in (folder, *folder.parents):
        if not place.is_relative_to(root):
            break
        text = _read(place / "memory.max").strip()
        memory += [int(text)] if text.isdigit() else []
        quota, _, period = _read(place / "cpu.max").strip().partition(" ")
        cores += [int(quota) / int(period)] if quota.isdigit() and period.isdigit() else []
    return Limits(min(memory, default=None), min(cores, default=None))


def usable_cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_cores(usable: int, limit: float | None, *, present: int) -> Finding:
    """Whether there is more than one core, so that decoding and judging can go on side by side."""
    count = min(float(usable), limit if limit is not None else float(usable))
    found = f"{count:.2g} of {present} usable"
    if count >= 2:
        return Finding("cores", "ok", found)
    return Finding("cores", "warn", f"{found}: slow", "give this program two cores or more")


def check_memory(meminfo: str | None, limit: int | None) -> Finding:
    """Whether there is memory for a model and the pictures in work.

    Args:
        meminfo: text of ``/proc/meminfo``, None where there is none.
        limit: bytes that this process may have, None for no limit.
    """
    lines = [line.split() for line in (meminfo or "").splitlines()]
    kilobytes = next((int(line[1]) for line in lines if line[0] == "MemAvailable:"), None)
    if kilobytes is None:
        return not_checked("memory")
    free = min(kilobytes * 1024, limit if limit is not None else kilobytes * 1024)
    found = f"{free / 1e9:.1f} GB free"
    if free >= MEMORY_WARN:
        return Finding("memory", "ok", found)
    fix = f"end other programs or add memory; {MEMORY_WARN / 1e9:g} GB is enough"
    return Finding("memory", "fail" if free < MEMORY_FAIL else "warn", found, fix)


def read_meminfo() -> str | None:
    """The system's account of its memory, or None where it gives none."""
    return _read(Path("/proc/meminfo")) or None


def built() -> float:
    """When this installation was written, seconds since 1970."""
    return Path(__file__).stat().st_mtime


def check_clock(now: float, built: float) -> Finding:
    """Whether the time of day can be true.

    Args:
        now, built: this moment, and when the program was installed; seconds since 1970.
    """
    shown = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%S} UTC"
    fix = "set the clock, for example with `timedatectl set-ntp true`"
    if datetime.fromtimestamp(now, UTC).year < OLDEST_YEAR:
        return Finding("clock", "fail", f"{shown} is before {OLDEST_YEAR}", fix)
    if now < built - DAY or now > built + LONGEST_LIFE:
        side = "before" if now < built else "long after"
        made = f"{datetime.fromtimestamp(built, UTC):%Y-%m-%d}"
        return Finding("clock", "fail", f"{shown} is {side} {made}, when kilnsense was installed", fix)
    return Finding("clock", "ok", shown)


def check_clock_rate(
    *,
    wall: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Finding:
    """Whether the time of day runs as time does, and is not set while it is watched."""
    first = _offset(wall, monotonic)
    pause(0.25)
    drift = _offset(wall, monotonic) - first
    if abs(drift) <= MOST_DRIFT:
        return Finding("clock_rate", "ok", f"steady ({drift * 1e3:+.1f} ms in 0.25 s)")
    found = f"the clock moved by {drift * 1e3:+.0f} ms in 0.25 s"
    return Finding(
        "clock_rate", "warn", found, "let only one time service set the clock; then run this again"
    )


def _offset(wall: Callable[[], float], monotonic: Callable[[], float]) -> float:
    """Time of day minus monotonic time, of the closest of five readings: others were held up in between."""
    readings = []
    for _ in range(5):
        before, now, after = monotonic(), wall(), monotonic()
        readings.append((after - before, now - (before + after) / 2))
    return min(readings)[1]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
