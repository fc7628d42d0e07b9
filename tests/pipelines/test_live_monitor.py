"""The small live loop runs on the project's own renderer; the measurements of live monitoring run at all."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def printed(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_small_loop_tells_the_camera_and_what_would_be_published(tiny_bundle: Path) -> None:
    source = ["--source", "sim:easy?size=160x120", "--seconds", "6", "--rate", "4"]
    lines = printed("pipelines.live_monitor", "--bundle", str(tiny_bundle), *source).splitlines()
    assert "CONNECTING UNKNOWN: camera_connecting" in lines[0]
    assert any("LIVE" in line and "UNKNOWN: starting" in line for line in lines)


@pytest.mark.slow
def test_the_measurement_of_faults_runs(tiny_bundle: Path) -> None:
    text = printed("pipelines.live_faults", "--bundle", str(tiny_bundle), "--cycles", "1", "--patience", "9")
    assert text.count("cycles, worst seconds") == 3
    assert text.count("kill -9 kiln-") == 4
    assert "history: ok" in text
    assert "processes left: 0" in text


@pytest.mark.slow
def test_the_measurement_of_cost_runs(tiny_bundle: Path) -> None:
    text = printed("pipelines.live_cost", "--bundle", str(tiny_bundle), "--minutes", "0.3", "--every", "0.1")
    assert "share of one core" in text
    assert text.count("MB") >= 2
