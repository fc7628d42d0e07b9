"""`kilnsense monitor` as a person starts it: what it refuses, and that it outlives its own processes."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import pytest

from kilnsense.cli.main import run
from kilnsense.record.past import History

LONG = 90.0


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ([], 2, "needs --source and --bundle, or --config"),
        (["--source", "sim:plant"], 2, "needs --bundle"),
        (["--source", "sim:plant", "--bundle", "none"], 5, "holds no bundle.json"),
        (["--config", "none.yaml"], 2, "cannot be read"),
        (["--source", "sim:plant", "--bundle", "b", "--set", "web.hots=x"], 2, "did you mean 'host'"),
        (["--source", "sim:plant", "--bundle", "b", "--rate", "99"], 2, "rate"),
        (["--source", "sim:plant", "--bundle", "b", "--host", "0.0.0.0"], 2, "others on the network"),
    ],
)
def test_a_wrong_option_is_told(
    options: list[str], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = [] if "--config" in options else ["--history", str(tmp_path / "history")]
    assert run(["monitor", "--no-browser", *options, *history]) == code
    assert said in told(capsys)


def test_options_go_over_the_cameras_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = {"cameras": [{"name": name, "source": "0", "bundle": "none"} for name in ("a", "b")]}
    (tmp_path / "two.json").write_text(json.dumps(two), encoding="utf-8")  # JSON is YAML
    options = ["monitor", "--config", str(tmp_path / "two.json"), "--history", str(tmp_path / "history")]
    assert run([*options, "--source", "sim:plant"]) == 2
    assert "--source: is of one camera" in told(capsys)
    assert run([*options, "--bundle", "elsewhere"]) == 5
    assert "bundle elsewhere" in told(capsys)


def test_a_taken_port_is_told(tiny_bundle: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = ["--source", "sim:easy?size=160x120", "--bundle", str(tiny_bundle)]
        options += ["--port", str(taken.getsockname()[1]), "--history", str(tmp_path / "history")]
        assert run(["monitor", "--no-browser", *options]) == 5
    assert "choose another port" in " ".join(capfd.readouterr().err.split())


def test_a_source_that_cannot_be_meant_is_refused_before_anything_starts(
    tiny_bundle: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ["--source", "sim:nowhere", "--bundle", str(tiny_bundle), "--no-browser", "--port", "0"]
    assert run(["monitor", *options, "--history", str(tmp_path / "history")]) == 2
    said = " ".join(capfd.readouterr().err.split())
    assert "sim:nowhere" in said
    assert "Traceback" not in said
    assert "http://" not in said


def test_a_password_in_an_address_is_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    camera = {"source": "rtsp://bob:secret@127.0.0.1/x?password=hush", "bundle": "b"}
    (tmp_path / "c.json").write_text(json.dumps({"cameras": [camera]}), encoding="utf-8")
    assert run(["config", "show", str(tmp_path / "c.json")]) == 0
    said = capsys.readouterr().out
    assert "127.0.0.1" in said
    assert "secret" not in said
    assert "hush" not in said


def test_a_number_is_a_source_and_a_clock_has_corners(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    camera: dict[str, Any] = {"source": 0, "bundle": "b"}
    (tmp_path / "c.json").write_text(json.dumps({"cameras": [camera]}), encoding="utf-8")
    assert run(["config", "check", str(tmp_path / "c.json")]) == 0
    camera["clock"] = [[0.0, 0.0]]
    (tmp_path / "c.json").write_text(json.dumps({"cameras": [camera]}), encoding="utf-8")
    assert run(["config", "check", str(tmp_path / "c.json")]) == 2
    assert "got 1 corners" in told(capsys)


def test_options_of_a_report_stand_behind_its_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["monitor", "--history", str(tmp_path), "report"]) == 2
    assert "stand behind this word" in told(capsys)


def test_a_bed_that_is_no_region_is_refused(
    tiny_bundle: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    camera = {"source": "sim:easy?size=160x120", "bundle": str(tiny_bundle), "bed": "materiel"}
    settings = {"cameras": [camera], "history": {"folder": str(tmp_path / "history")}}
    (tmp_path / "c.json").write_text(json.dumps(settings), encoding="utf-8")
    assert run(["monitor", "--config", str(tmp_path / "c.json"), "--no-browser"]) == 2
    assert "allowed: coal, wall, material, flame" in " ".join(capfd.readouterr().err.split())


def test_a_report_without_a_history_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["monitor", "report", "--history", str(tmp_path)]) == 5
    assert "holds no history" in told(capsys)
    assert run(["monitor", "report", "--history", str(tmp_path), "--since", "yesterday"]) == 2
    assert "allowed: 8h, 30m or 7d ago" in told(capsys)


class Running:
    """A monitor in processes of its own."""

    def __init__(self, command: list[str], log: Path) -> None:
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
            )
        self._lines: Queue[str] = Queue()
        self._thread = Thread(target=self._read)
        self._thread.start()
        self.session = self.process.pid

    def reading(self, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next one that is so."""
        until, line = time.monotonic() + LONG, "nothing"
        while time.monotonic() < until:
            with contextlib.suppress(Empty):
                line = self._lines.get(timeout=1.0)
                found = json.loads(line)
                assert found["schema"] == "kilnsense.state/1"
                if is_so(found):
                    return dict(found)
        pytest.fail(f"the last reading was {line}")

    def processes(self) -> dict[str, int]:
        """Name -> id of those that live."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with contextlib.suppress(OSError):
                    dead = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
                    if os.getsid(int(entry.name)) == self.session and not dead:
                        found[(entry / "comm").read_text().strip()] = int(entry.name)
        return found

    def close(self) -> None:
        for pid in self.processes().values():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self._thread.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)


def address_in(log: Path) -> str:
    """The address that was told last."""
    return [line for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("http")][-1]


@pytest.fixture
def monitor(tiny_bundle: Path, tmp_path: Path) -> Iterator[Running]:
    command = [sys.executable, "-m", "kilnsense", "monitor", "--source", "sim:easy?size=160x120"]
    command += ["--bundle", str(tiny_bundle), "--history", str(tmp_path / "history"), "--port", "0"]
    quick = ["--set", "decision.settle_s=0.5", "--set", "decision.memory_s=1", "--set", "decision.enter=0.4"]
    command += ["--no-browser", "--json", "--rate", "5", *quick, "--set", "decision.leave=0.3"]
    running = Running(command, tmp_path / "log")
    yield running
    running.close()


@pytest.mark.skipif(not Path("/proc/self/comm").exists(), reason="needs /proc, to find processes by name")
def test_it_outlives_the_death_of_every_process_keeps_its_history_and_ends_when_asked(
    monitor: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def named(reading: dict[str, Any]) -> bool:
        return reading["state"] != "UNKNOWN"

    assert monitor.reading(lambda _: True)["reason"] == "starting"
    monitor.reading(named)
    address = address_in(tmp_path / "log")
    assert address.startswith("http://127.0.0.1:")
    key = address.partition("token=")[2]
    for name in ("kiln-station", "kiln-supervisor"):
        before = monitor.processes()
        os.kill(before[name], signal.SIGKILL)
        assert monitor.reading(lambda reading: reading["seq"] == 1)["reason"] == "starting"
        monitor.reading(named)
        after = monitor.processes()
        assert set(after) >= {"kiln-supervisor", "kiln-station", "kiln-judge", "kiln-camera"}
        assert after[name] != before[name]
        if name == "kiln-supervisor":  # a new one, which had no port to keep
            address = address_in(tmp_path / "log")
        with urllib.request.urlopen(address.partition("?")[0] + "healthz", timeout=10.0) as answer:
            assert answer.status == 200, "the station answers where it did before"
    assert address.partition("token=")[2] == key, "the key of a kiosk stays good"
    for _ in range(5):  # a state that stands for a while is in the report
        monitor.reading(named)
    os.kill(monitor.processes()["kiln-supervisor"], signal.SIGINT)
    until = time.monotonic() + LONG
    while monitor.processes() and time.monotonic() < until:
        time.sleep(0.1)
    assert monitor.processes() == {}
    events = History(tmp_path / "history").alarm_events(0.0, time.time())
    assert {event.action for event in events} <= {"raised", "cleared", "acknowledged"}, "nothing was dropped"
    out = tmp_path / "shift.html"
    options = ["--history", str(tmp_path / "history"), "--since", "1h", "--out", str(out), "--json"]
    assert run(["monitor", "report", *options]) == 0
    (camera,) = json.loads(capsys.readouterr().out)["cameras"]
    assert sum(seconds for word, seconds in camera["seconds"].items() if word != "UNKNOWN") > 0
    assert camera["pictures"]
    assert "kiln1" in out.read_text(encoding="utf-8")
