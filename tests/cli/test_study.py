"""`kilnsense study` from the command line: what it leaves and says, killed, interrupted, resumed, refused."""

import csv
import importlib
import json
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from kilnsense.cli.main import run
from kilnsense.cli.study import _watching
from kilnsense.config import load_config, load_study
from kilnsense.study.plan import Trial, trial_config
from kilnsense.study.run import Progress
from kilnsense.study.tasks import TASKS

FAKES = Path(__file__).parents[1] / "study"

COMMAND = [
    sys.executable,
    "-c",
    # A shell that runs the tests in the background lets its children ignore Ctrl-C.
    "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "from fake_task import prepare\nfrom kilnsense.study.tasks import TASKS\nTASKS['pictures'] = prepare\n"
    "from kilnsense.cli.main import main\nmain()",
]

STUDY = """\
name: fake
task: pictures
base: {{data: {{root: {book}}}, training: {{epochs: 3}}}}
variants: [{{name: wide, settings: {{branches.dimensions: 64}}}}, {{name: narrow}}]
grid: {{metric.margin: [0.1, 0.5]}}
search: {{metric.margin: {{low: 0.1, high: 1.0}}}}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study of the fake task; its notebook lies beside it."""
    monkeypatch.syspath_prepend(str(FAKES))
    monkeypatch.setitem(TASKS, "pictures", importlib.import_module("fake_task").prepare)
    (tmp_path / "book").mkdir()
    path = tmp_path / "fake.yaml"
    path.write_text(STUDY.format(book=tmp_path / "book"), encoding="utf-8")
    return path


@pytest.fixture
def searched(file: Path) -> Path:
    """The same without a grid, so that the search draws the margin."""
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    file.write_text(yaml.safe_dump({**values, "grid": {}}), encoding="utf-8")
    return file


def stopped(call: list[str], **fake: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own that the fake task stops; returns when its children have ended."""
    environment = {**os.environ, "PYTHONPATH": str(FAKES), **fake}
    return subprocess.run(
        [*COMMAND, *call], env=environment, capture_output=True, text=True, check=False, timeout=200
    )


def test_what_it_leaves_and_says(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    call = ["study", str(file), "--out", str(out), "--json"]
    assert run(call) == 0
    said = capsys.readouterr()
    values = json.loads(said.out)
    assert values["schema"] == "kilnsense.study/1"
    assert values["folder"] == str(out)
    assert (values["best"]["name"], values["best"]["mean"]) == ("wide, margin 0.5", pytest.approx(0.51))
    assert len(values["rows"]) == 4 * 2
    assert values["failures"] == []
    assert sorted(path.name for path in out.iterdir()) == [
        *("run.json", "study.csv", "study.html", "study.json", "trials")
    ]
    assert len(list((out / "trials").glob("*/outcome.json"))) == 8
    with (out / "study.csv").open(encoding="utf-8", newline="") as table:
        assert next(csv.DictReader(table))["name"] == "wide, margin 0.5"
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert (record["state"], record["best"]["name"]) == ("done", "wide, margin 0.5")
    assert (
        "8 of 8: narrow_margin-0.5_s1: validation 0.961, fused nearest accuracy 0.515, macro f1" in said.err
    )
    assert "batches without a pair or triplet: 3; collapsed: scale:1.0" in said.err
    assert "0.510 ± 0.007" in said.err
    assert str(out / "study.html") in said.err
    assert run(call) == 2
    assert "is not empty" in capsys.readouterr().err
    assert run(["study", str(file), "--resume", str(out)]) == 2
    assert "is finished already" in capsys.readouterr().err


def test_quiet_says_nothing(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--quiet", "study", str(file), "--out", str(tmp_path / "run")]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_trial_that_fails_is_said_and_the_study_is_done(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    diverging = ["--set", "grid={metric.margin: [9.0, 0.5]}", "--set", "seeds=[0]"]
    assert run(["study", str(file), "--out", str(out), "--json", *diverging]) == 0
    said = capsys.readouterr()
    assert "wide_margin-9_s0 failed: training: epoch 1: the network gives NaN" in said.err
    assert f"2 of 4 trials failed; {out / 'study.html'} says why" in said.err
    values = json.loads(said.out)
    assert [failure["trial"] for failure in values["failures"]] == ["wide_margin-9_s0", "narrow_margin-9_s0"]
    assert values["best"]["spread"] is None
    assert (
        run(["study", str(file), "--out", str(tmp_path / "no"), "--set", "grid={metric.margin: [9.0]}"]) == 2
    )
    assert "no trial gave a result; the first says: training: epoch 1" in capsys.readouterr().err


def test_a_killed_study_goes_on(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    done = stopped(["study", str(file), "--out", str(out)], FAKE_STOP="0.5 1 2", FAKE_SIGNAL="SIGKILL")
    assert done.returncode == -signal.SIGKILL
    assert json.loads((out / "run.json").read_text(encoding="utf-8"))["state"] == "running"
    assert (out / "trials" / "wide_margin-0.5_s1" / "checkpoints" / "epoch").read_text() == "2"
    book = tmp_path / "book" / "notes.txt"
    begun = len(book.read_text(encoding="utf-8").splitlines())
    call = ["study", str(file), "--resume", str(out)]
    assert run([*call, "--set", "base.training.epochs=4"]) == 2
    assert "it was started with base.training.epochs 3, got 4" in capsys.readouterr().err
    assert run([*call, "--search", "3"]) == 2
    assert "was started without --search; leave it out" in capsys.readouterr().err
    assert run([*call, "--overwrite"]) == 2
    assert "leave out --out and --overwrite" in capsys.readouterr().err
    assert run([*call, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["best"]["n"] == 2
    later = book.read_text(encoding="utf-8").splitlines()[begun + 1 :]
    assert later[0] == "margin 0.5 seed 1 epoch 3"
    assert len(later) == 1 + 4 * 4


@pytest.mark.parametrize(
    ("whom", "processes"),
    [("self", []), pytest.param("parent", ["--processes", "2"], marks=pytest.mark.slow)],
    ids=["one", "two"],
)
def test_an_interrupt_says_how_to_go_on(file: Path, tmp_path: Path, whom: str, processes: list[str]) -> None:
    out = tmp_path / "run"
    call = ["study", str(file), "--set", "seeds=[0, 1]", *processes, "--out", str(out)]
    done = stopped(call, FAKE_STOP="0.1 1 1", FAKE_SIGNAL="SIGINT", FAKE_WHOM=whom)
    assert done.returncode == 130, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    more = " --processes=2" if processes else ""
    again = f"kilnsense study {file} '--set=seeds=[0, 1]'{more} --resume {out}"
    assert done.stderr.splitlines()[-1] == f"kilnsense: interrupted; go on with: {again}"


@pytest.mark.slow
def test_the_processes_of_a_killed_study_end_too(file: Path, tmp_path: Path) -> None:
    """They hold its standard error: were one left, this would not return."""
    call = ["study", str(file), "--processes", "2", "--out", str(tmp_path / "run")]
    done = stopped(call, FAKE_STOP="0.1 0 2", FAKE_SIGNAL="SIGKILL", FAKE_WHOM="parent")
    assert done.returncode == -signal.SIGKILL
    assert "Traceback" not in done.stderr
    lines = (tmp_path / "book" / "notes.txt").read_text(encoding="utf-8").splitlines()
    # Each goes on to the end of its trial, at most a whole one, and takes no other.
    assert len(lines) - lines.index("margin 0.1 seed 0 epoch 2") - 1 <= 1 + (1 + 4)


def test_a_search_reports_the_best_by_validation(
    searched: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    call = ["study", str(searched), "--search", "6"]
    done = stopped([*call, "--out", str(out)], FAKE_STOP="", FAKE_SIGNAL="")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    values = json.loads((out / "study.json").read_text(encoding="utf-8"))
    best = max(values["draws"], key=lambda draw: draw["validation"])
    assert values["best"]["settings"] == best["settings"]
    assert values["best"]["n"] == 2
    assert len(values["draws"]) == 6
    lines = [line.strip() for line in done.stderr.splitlines() if line.startswith("  --set ")]
    assert f"--set metric.margin={best['settings']['metric.margin']}" in lines
    model = load_config(out / "best.yaml")
    study = load_study(searched)
    trial = Trial("", "", "", best["settings"], study.seeds[0])
    assert model == trial_config(study, trial)
    assert f"the whole model, as `kilnsense train` takes it: {out / 'best.yaml'}" in done.stderr
    progress = [line for line in done.stderr.splitlines() if ": validation" in line]
    assert len(progress) == 7
    assert not any("accuracy" in line for line in progress)
    page = (out / "study.html").read_text(encoding="utf-8")
    assert "It has the best validation of 6 settings" in page
    assert "What the search tried, best validation first" in page
    assert "Best of 6 settings" in done.stderr
    # Killed and without --search: it goes on as a search or not at all.
    cut = tmp_path / "cut"
    margin = values["draws"][2]["settings"]["metric.margin"]
    killed = stopped([*call, "--out", str(cut)], FAKE_STOP=f"{margin:g} 0 1", FAKE_SIGNAL="SIGKILL")
    assert killed.returncode == -signal.SIGKILL
    assert run(["study", str(searched), "--resume", str(cut)]) == 2
    assert "was started with --search; add it" in capsys.readouterr().err
    assert run([*call, "--resume", str(cut), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["draws"] == values["draws"]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--set", "grid={metric.margn: [1]}"], 2, "unknown key 'metric.margn'; did you mean 'margin'"),
        (["--set", "base.data.root=/nowhere"], 5, "data.root /nowhere: is no folder"),
        (["--set", "base.data.root=/nowhere", "--search", "2", "--set", "grid={}"], 5, "is no folder"),
        (["--search", "2"], 2, "search draws metric.margin, which a variant or the grid sets"),
        (["--processes", "0"], 2, "--processes"),
        (["--search", "0"], 2, "--search"),
    ],
)
def test_what_is_wrong_is_said_before_any_work_and_leaves_nothing(
    file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
    message: str,
) -> None:
    assert run(["study", str(file), "--out", str(tmp_path / "run"), *options]) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_progress_without_a_terminal_is_said_only_of_what_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kilnsense.cli.study.QUIET_SECONDS", 0.0)
    with _watching(scores=True) as watch:
        watch(Progress(1, 3))
        watch(Progress(1, 3, (("a_s0", 2),)))
        watch(Progress(1, 3, (("a_s0", 3),), seconds_left=240.0))
    assert capsys.readouterr().err.splitlines() == [
        "1 of 3 done; running a_s0 (epoch 2)",
        "1 of 3 done; running a_s0 (epoch 3), about 4 min left",
    ]


def test_a_search_without_optuna_says_what_to_install(
    searched: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "kilnsense.study.search", raising=False)
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert run(["study", str(searched), "--out", str(tmp_path / "run"), "--search", "2"]) == 2
    assert capsys.readouterr().err == "kilnsense: `kilnsense study` needs optuna; install kilnsense[search]\n"
    assert run(["--quiet", "study", str(searched), "--out", str(tmp_path / "run")]) == 0


def test_real_pictures_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bright against dark tiles: two losses, one of them over classes, on IDX files."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 60), ("t10k", 20)):
        labels = (np.arange(count) % 2).astype(np.uint8)
        images = (60 + 120 * labels[:, None, None] + rng.integers(-30, 30, (count, 16, 16))).astype(np.uint8)
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            head = struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape)
            (tmp_path / name).write_bytes(head + array.tobytes())
    values = {
        "task": "pictures",
        "name": "tiles",
        "base": {
            "classes": ["dark", "bright"],
            "data": {"root": str(tmp_path)},
            "branches": {
                "views": ["scale:1.0"],
                "mode": "crop",
                "size": 16,
                "trunk": "conv2",
                "dimensions": 2,
            },
            "training": {"epochs": 1, "batches_per_epoch": 3, "samples_per_class": 4},
        },
        "variants": [
            {"name": "triplet", "settings": {"metric.loss": "triplet"}},
            {"name": "softmax", "settings": {"metric.loss": "softmax"}},
        ],
        "seeds": [0],
    }
    (tmp_path / "tiles.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    assert run(["study", str(tmp_path / "tiles.yaml"), "--out", str(tmp_path / "run"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in said["rows"]} == {"triplet", "softmax"}
    assert all(0.5 <= row["mean"] <= 1 for row in said["rows"])
    assert "<svg" in (tmp_path / "run" / "study.html").read_text(encoding="utf-8")
