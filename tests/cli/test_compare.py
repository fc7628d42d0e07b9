"""`kilnsense compare` from the command line: what it writes, refuses, resumes, and how it ends."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kilnsense.cli.main import run
from kilnsense.compare.metrics_file import Metrics

HEAR = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
COMMAND = [sys.executable, "-c", f"{HEAR}from kilnsense.cli.main import main; main()"]
QUICK = ["--cv", "2x2", "--classifiers", "svm,lda", "--jobs", "1"]
BARE = ["--set", "training.enabled=false"]


@pytest.fixture(scope="module")
def done(tiny_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one comparison; its cache lies beside it."""
    folder = tmp_path_factory.mktemp("cli")
    words = ["--quiet", "compare", str(tiny_file), *QUICK, *BARE, "--cache", str(folder / "cache")]
    assert run([*words, "--out", str(folder / "run")]) == 0
    os.environ.pop("KILNSENSE_QUIET", None)
    return folder


def call(tiny_file: Path, done: Path, *more: str, out: Path) -> int:
    return run(
        ["compare", str(tiny_file), *QUICK, *BARE, "--cache", str(done / "cache"), "--out", str(out), *more]
    )


def test_all_files_are_there_and_tell_the_same(
    tiny_file: Path, done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = done / "run"
    names = {"report.html", "metrics.json", "leaderboard.csv", "oof.csv", "run.json", "folds"}
    assert names == {path.name for path in out.iterdir()}
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    metrics = Metrics.model_validate_json((out / "metrics.json").read_bytes())
    assert record["state"] == "done"
    assert record["verdict"] == metrics.verdict
    assert record["config"]["base"]["training"]["enabled"] is False
    # run005 is kept apart by the config, and the masks of the frames have no label.
    assert metrics.left_out_counts == {"unlabelled": 48, "held_out": 8}
    assert call(tiny_file, done, "--json", out=tmp_path / "again") == 0
    shown = capsys.readouterr()
    said = json.loads(shown.out)
    assert said["schema"] == "kilnsense.compare/1"
    assert said["folder"] == str(tmp_path / "again")
    assert said["verdict"] == metrics.verdict
    assert metrics.verdict in shown.err.replace("\n", " ")
    assert "Those of one tier cannot be told apart; * baseline" in shown.err
    timeless = {"entrants", "folder"}
    again = json.loads((tmp_path / "again" / "metrics.json").read_text(encoding="utf-8"))
    for name, value in json.loads((out / "metrics.json").read_text(encoding="utf-8")).items():
        if name not in timeless:
            assert again[name] == value, name
    assert (tmp_path / "again" / "oof.csv").read_bytes() == (out / "oof.csv").read_bytes()


def test_a_gate_ends_with_4_and_keeps_the_report(
    tiny_file: Path, done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tiny_file, done, "--fail-under", "0.999", out=tmp_path / "a") == 4
    assert "--fail-under 0.999: " in capsys.readouterr().err
    assert (tmp_path / "a" / "report.html").exists()
    assert call(tiny_file, done, "--fail-under", "0.01", out=tmp_path / "b") == 0


def test_unreadable_files_end_with_3(tiny_root: Path, tiny_file: Path, done: Path, tmp_path: Path) -> None:
    copy = tmp_path / "frames"
    shutil.copytree(tiny_root, copy)
    next(iter(sorted((copy / "run000").iterdir()))).write_bytes(b"torn")
    assert call(tiny_file, done, "--data", str(copy), out=tmp_path / "a") == 3
    metrics = Metrics.model_validate_json((tmp_path / "a" / "metrics.json").read_bytes())
    assert metrics.left_out_counts["not_an_image"] == 1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--cv", "1x2"], 2, "--cv: got '1x2', allowed: FOLDSxREPEATS"),
        (
            ["--cv", "9x1"],
            2,
            "got 9 folds for 5 groups (camera runs), allowed: at most as many folds as groups",
        ),
        (["--classifiers", "knn,smv"], 2, "--classifiers: got 'smv', allowed: forest"),
        (["--classifiers", "knn,knn"], 2, "allowed: every name once"),
        (["--classifiers", ","], 2, "--classifiers: got none, allowed: names with commas"),
        (["--cv", "2x1000"], 2, "dealt up to 100 times"),
        (["--fail-under", "nan"], 2, "--fail-under: got nan, allowed: 0..1"),
        (["--fail-under", "90"], 2, "--fail-under: got 90, allowed: 0..1"),
        (["--block-minutes", "0"], 2, "--block-minutes: got 0, allowed: above 0"),
        (["--embargo-minutes", "nan"], 2, "--embargo-minutes: got nan, allowed: 0 and up"),
        (["--tune", "--metric", "coverage"], 2, "--tune with --metric coverage: a search has probabilities"),
        (["--jobs", "²"], 2, "--jobs: got '²', allowed: auto"),
        (["--cache", "/proc/none"], 6, "--cache /proc/none: cannot be written"),
        (["--set", "data.group_column=gruop"], 2, "no column 'gruop', there are: path, label, group"),
        (["--metric", "f1"], 2, "--metric: got 'f1', allowed: accepted_accuracy"),
        (["--metric", "cost", "--fail-under", "0.5"], 2, "of which less is better; take a measure"),
        (["--group-by", "kiln"], 2, "no column 'kiln', there are: path, label, group"),
        (["--group-by", "time", "--set", "data.time_column=camera"], 2, "allowed: ISO 8601"),
        (["--frozen"], 2, "--frozen: got a config, whose networks are not trained yet; give a bundle"),
        (["--jobs", "0"], 2, "--jobs: got '0', allowed: auto, or 1 and up"),
        (["--data", "nowhere"], 5, "nowhere is no folder"),
        (
            ["--set", "decide.costs=[[0, 1], [1, 0]]"],
            2,
            "decide.costs: got [[0.0, 1.0], [1.0, 0.0]], allowed: 3 rows",
        ),
        (["--set", "classes=[under, normal, burnt]"], 2, "label 'over' is no class"),
        (["--out", "x", "--resume", "x"], 2, "--resume goes on in its own folder"),
        (["--resume", "nothing"], 2, "holds no readable run.json"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line_and_leaves_nothing(
    tiny_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["compare", str(tiny_file), *QUICK, *BARE, *words]) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err.strip().splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_compared_with_its_networks_kept_or_trained_anew(
    tiny_file: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", str(tiny_bundle), *QUICK, "--cache", str(tmp_path / "cache")]
    assert run([*words, "--frozen", "--set", "branches.size=40", "--out", str(tmp_path / "a")]) == 2
    assert "--set branches: cannot be changed with --frozen" in capsys.readouterr().err
    assert run([*words, "--frozen", "--set", "seed=3", "--out", str(tmp_path / "a")]) == 0
    assert "networks of bundle" in capsys.readouterr().err
    metrics = Metrics.model_validate_json((tmp_path / "a" / "metrics.json").read_bytes())
    assert metrics.frozen
    assert metrics.bundle
    assert not list((tmp_path / "cache").glob("fold-*"))
    assert "were kept" in (tmp_path / "a" / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_killed_comparison_goes_on(
    tiny_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed in the middle, gone on with: the same rows as an undisturbed run, and what was done stays."""
    words = ["compare", str(tiny_file), *QUICK, "--set", "training.epochs=1"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert run([*words, "--cache", str(tmp_path / "a"), "--out", str(whole)]) == 0
    first = cut / "folds" / "repeat1-fold1.safetensors"
    begun = [*COMMAND, *words, "--cache", str(tmp_path / "b"), "--out", str(cut)]
    with subprocess.Popen(begun, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 120
        while process.poll() is None and not first.exists() and time.monotonic() < until:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    before = first.stat().st_mtime_ns
    assert not (cut / "report.html").exists()
    capsys.readouterr()
    again = [*words, "--cache", str(tmp_path / "b"), "--resume", str(cut)]
    assert run([*again, "--metric", "kappa"]) == 2
    assert "it was started with metric 'macro_f1', got 'kappa'" in capsys.readouterr().err
    assert run(again) == 0
    assert first.stat().st_mtime_ns == before
    assert (cut / "oof.csv").read_bytes() == (whole / "oof.csv").read_bytes()
    assert run(again) == 2
    assert "is finished already" in capsys.readouterr().err


def test_an_interrupt_says_how_to_go_on(tiny_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = [
        "compare",
        str(tiny_file),
        *QUICK,
        "--set",
        "training.epochs=1",
        "--cache",
        str(tmp_path / "cache"),
        "--fail-under",
        "0.5",
    ]
    with subprocess.Popen(
        [*COMMAND, *words, "--out", str(out)], stderr=subprocess.PIPE, text=True
    ) as process:
        until = time.monotonic() + 120
        while process.poll() is None and not list(out.glob("folds/*")) and time.monotonic() < until:
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f"kilnsense compare {tiny_file}" in errors.splitlines()[-1]
    assert "--cv=2x2 " in errors.splitlines()[-1]
    assert f"--cache={tmp_path / 'cache'} --jobs=1 --fail-under=0.5" in errors.splitlines()[-1]
    assert f"--resume {out}" in errors.splitlines()[-1]
