"""Cores, memory and clocks, from made-up accounts of them."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kilnsense.doctor.system import (
    DAY,
    Limits,
    built,
    check_clock,
    check_clock_rate,
    check_cores,
    check_memory,
    read_limits,
    read_meminfo,
    usable_cores,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("usable", "limit", "state", "words"),
    [
        (8, None, "ok", "8 of 8 usable"),
        (2, 4.0, "ok", "2 of 8 usable"),
        (1, None, "warn", "1 of 8 usable"),
        (8, 0.5, "warn", "0.5 of 8 usable"),
    ],
)
def test_one_core_is_found(usable: int, limit: float | None, state: str, words: str) -> None:
    finding = check_cores(usable, limit, present=8)
    assert finding.state == state
    assert finding.found.startswith(words)


@pytest.mark.parametrize(
    ("kilobytes", "limit", "state", "words"),
    [
        (8_000_000, None, "ok", "8.2 GB"),
        (8_000_000, 2_000_000_000, "ok", "2.0 GB"),
        (800_000, None, "warn", "0.8 GB"),
        (8_000_000, 512_000_000, "warn", "0.5 GB"),
        (100_000, None, "fail", "0.1 GB"),
    ],
)
def test_little_memory_is_found(kilobytes: int, limit: int | None, state: str, words: str) -> None:
    meminfo = f"MemTotal:       32000000 kB\nMemFree:  1 kB\nMemAvailable:   {kilobytes} kB\n\n".strip()
    finding = check_memory(meminfo, limit)
    assert finding.state == state
    assert words in finding.found


@pytest.mark.parametrize("meminfo", [None, "", "MemTotal: 5 kB"])
def test_memory_that_the_system_does_not_tell_of_is_not_checked(meminfo: str | None) -> None:
    finding = check_memory(meminfo, None)
    assert (finding.state, finding.found) == ("ok", "not checked here")


def test_the_tightest_limit_of_the_control_groups_counts(tmp_path: Path) -> None:
    root, own = tmp_path / "cgroup", tmp_path / "own"
    inner = root / "plant.slice" / "kilnsense.service"
    inner.mkdir(parents=True)
    own.write_text("4:memory:/x\n0::/plant.slice/kilnsense.service\n", encoding="utf-8")
    assert read_limits(root, own) == Limits()
    (inner / "memory.max").write_text("max\n", encoding="utf-8")
    (inner / "cpu.max").write_text("150000 100000\n", encoding="utf-8")
    (root / "plant.slice" / "memory.max").write_text("500000000\n", encoding="utf-8")
    (root / "plant.slice" / "cpu.max").write_text("max 100000\n", encoding="utf-8")
    (tmp_path / "memory.max").write_text("1\n", encoding="utf-8")  # above the root: not ours
    assert read_limits(root, own) == Limits(memory=500_000_000, cores=1.5)
    (inner / "memory.max").write_text("900000000\n", encoding="utf-8")
    (root / "plant.slice" / "cpu.max").write_text("400000 100000\n", encoding="utf-8")
    assert read_limits(root, own) == Limits(memory=500_000_000, cores=1.5)


def test_a_system_without_control_groups_sets_no_limit(tmp_path: Path) -> None:
    assert read_limits(tmp_path / "none", tmp_path / "none") == Limits()


@pytest.mark.parametrize(
    ("now", "built_at", "state", "words"),
    [
        (NOW, NOW - 100 * DAY, "ok", "2026-06-01 00:00:00 UTC"),
        (NOW, NOW + DAY / 2, "ok", "2026"),
        (0.0, 0.0, "fail", "before 2025"),
        (NOW, NOW + 2 * DAY, "fail", "is before 2026-06-03, when kilnsense was installed"),
        (NOW + 30 * 365 * DAY, NOW, "fail", "is long after 2026-06-01"),
    ],
)
def test_a_clock_that_cannot_be_right_is_found(now: float, built_at: float, state: str, words: str) -> None:
    finding = check_clock(now, built_at)
    assert finding.state == state
    assert words in finding.found


def clocks(step: float, jitter: float = 0.0) -> tuple[Callable[[], float], Callable[[], float], list[float]]:
    """(wall, monotonic, pauses): time of day is set by `step` seconds during the pause.

    Every second pair of readings is held up by `jitter` seconds between its clocks.
    """
    time, pauses = [100.0], [0.0]
    calls = [0]

    def monotonic() -> float:
        return time[0]

    def wall() -> float:
        now = 5000.0 + time[0] + (step if len(pauses) > 1 else 0.0)
        calls[0] += 1
        time[0] += jitter if calls[0] % 2 else 0.0
        return now

    return wall, monotonic, pauses


@pytest.mark.parametrize(
    ("step", "jitter", "state"),
    [(0.0, 0.0, "ok"), (0.001, 0.0, "ok"), (0.0, 0.4, "ok"), (1.5, 0.0, "warn"), (-0.03, 0.4, "warn")],
)
def test_a_clock_that_is_set_while_it_is_watched_is_found(step: float, jitter: float, state: str) -> None:
    wall, monotonic, pauses = clocks(step, jitter)
    finding = check_clock_rate(wall=wall, monotonic=monotonic, pause=pauses.append)
    assert finding.state == state
    assert f"{step * 1e3:+.0f}" in finding.found or state == "ok"
    assert pauses == [0.0, 0.25]


def test_this_computer_is_read() -> None:
    assert usable_cores() >= 1
    assert 0 < built() < 1e11
    meminfo = read_meminfo()
    assert meminfo is None or "MemTotal" in meminfo
