"""`kilnsense train` from the command line: killed, resumed, interrupted, and what it says."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kilnsense.cli.main import run

QUICK = ["--set", "training.enabled=false"]
# A shell that runs the tests in the background lets its children ignore Ctrl-C.
HEAR = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
COMMAND = [sys.executable, "-c", f"{HEAR}from kilnsense.cli.main import main; main()"]


def interrupted(
    tiny_file: Path, out: Path, number: signal.Signals, *, after: str
) -> subprocess.CompletedProcess[str]:
    """A training in its own process that gets a signal as soon as a checkpoint of that name is there."""
    call = [*COMMAND, "train", str(tiny_file), "--out", str(out)]
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < until:
            if (out / "checkpoints" / after).exists():
                os.kill(process.pid, number)
                break
            time.sleep(0.002)
        said, errors = process.communicate(timeout=120)
        return subprocess.CompletedProcess(call, process.returncode, said, errors)


def test_a_killed_run_goes_on_and_ends_as_if_undisturbed(
    tiny_file: Path, tiny_saved, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    done = interrupted(tiny_file, out, signal.SIGKILL, after="fold2.safetensors")
    assert done.returncode == -signal.SIGKILL
    assert json.loads((out / "run.json").read_text(encoding="utf-8"))["state"] == "running"
    assert not (out / "bundle").exists()
    first = out / "checkpoints" / "fold1.safetensors"
    before = (first.stat().st_mtime_ns, first.read_bytes())
    assert run(["train", str(tiny_file), "--resume", str(out), "--set", "seed=1"]) == 2
    assert "it was started with seed 0, got 1" in capsys.readouterr().err
    assert run(["train", str(tiny_file), "--resume", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["model_id"] == tiny_saved.model_id
    assert (first.stat().st_mtime_ns, first.read_bytes()) == before
    assert json.loads((out / "run.json").read_text(encoding="utf-8"))["state"] == "done"


@pytest.mark.slow
def test_an_interrupt_says_how_to_go_on(tiny_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = interrupted(tiny_file, out, signal.SIGINT, after="fold1.safetensors")
    assert done.returncode == 130
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"kilnsense: interrupted; go on with: kilnsense train {tiny_file} --resume {out}"
    )


def test_what_it_leaves_and_says(tiny_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without networks: one JSON object on standard output, a bundle without an encoder, and no history."""
    out = tmp_path / "run"
    call = ["train", str(tiny_file), "--out", str(out), "--json", *QUICK]
    assert run(call) == 0
    said = capsys.readouterr()
    values = json.loads(said.out)
    assert values["schema"] == "kilnsense.train/1"
    assert 0 <= values["scores"]["balanced_accuracy"] <= 1
    assert values["scores"]["groups"] == 5
    assert values["model_id"] in said.err
    assert sorted(path.name for path in out.iterdir()) == ["bundle", "run.json"]
    assert not (out / "bundle" / "encoder.onnx").exists()
    assert run(call) == 2
    assert run(["train", str(tiny_file), "--resume", str(out), *QUICK]) == 2
    assert "is finished already; nothing to resume" in capsys.readouterr().err
    assert run([*call, "--overwrite"]) == 0
    assert json.loads(capsys.readouterr().out)["model_id"] == values["model_id"]
    assert run(["bundle", "show", str(out / "bundle"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model_id"] == values["model_id"]


def test_quiet_says_nothing(tiny_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--quiet", "train", str(tiny_file), "--out", str(tmp_path / "run"), *QUICK]) == 0
    assert capsys.readouterr() == ("", "")


def test_an_overwrite_that_cannot_start_keeps_the_earlier_run(tiny_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert run(["--quiet", "train", str(tiny_file), "--out", str(out), *QUICK]) == 0
    call = [
        "--quiet",
        "train",
        str(tiny_file),
        "--out",
        str(out),
        "--overwrite",
        "--set",
        "data.root=/nowhere",
    ]
    assert run(call) == 5
    assert (out / "bundle" / "bundle.json").is_file()


def test_a_done_label_run_is_no_training_to_resume(
    tiny_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.json").write_text('{"schema": "kilnsense.segment/1"}', encoding="utf-8")
    assert run(["train", str(tiny_file), "--resume", str(tmp_path)]) == 2
    assert "is not of `kilnsense train`" in capsys.readouterr().err
