"""What the benchmark of labelling measures with: memory of a tree of processes, and names for frames."""

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

PIPELINES = Path(__file__).parents[2] / "pipelines"
CHILD = "held = bytearray(b'x' * 60_000_000); print('held', flush=True); input()"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(PIPELINES))
    return importlib.import_module("bench_label")


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs the /proc of Linux")
def test_memory_is_that_of_the_whole_tree(bench: ModuleType) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "held\n"
        assert len(list(bench.tree(process.pid))) == 2
        assert 60 < bench.pss_mb(process.pid) < 120
        process.stdin.close()
    assert bench.pss_mb(process.pid) == 0


def test_every_name_is_a_link_to_a_frame_in_turn(bench: ModuleType, tmp_path: Path) -> None:
    frames = [tmp_path / name for name in ("a.jpg", "b.jpg")]
    for frame in frames:
        frame.write_bytes(frame.name.encode())
    paths = bench.link(frames, tmp_path / "many", 2003)
    assert len(set(paths)) == 2003
    assert all(path.samefile(frames[number % 2]) for number, path in enumerate(paths))
