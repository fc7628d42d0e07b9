"""What cannot be done is said in one line, with the right exit code, and leaves nothing behind."""

import json
import shutil
from pathlib import Path

import pytest

from kilnsense.cli.main import run


@pytest.fixture
def here(tiny_file: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with every wrong thing in it, as the working directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(tiny_file, "c.yaml")
    for name in ("cut", "newer", "altered"):
        shutil.copytree(tiny_bundle, name)
    Path("whole").symlink_to(tiny_bundle)
    onnx = Path("cut/encoder.onnx")
    onnx.write_bytes(onnx.read_bytes()[:100])
    manifest = Path("newer/bundle.json")
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"format": 1', '"format": 2'), "utf-8")
    card = Path("altered/MODEL_CARD.md")
    card.write_bytes(card.read_bytes().replace(b"Measured", b"measured"))
    Path("file").write_text("no folder", encoding="utf-8")
    Path("empty").mkdir()
    Path("full").mkdir()
    Path("full/thing").write_text("mine", encoding="utf-8")
    picture = next((tiny_file.parent / "frames" / "run005").iterdir())
    for place in (
        "one/over/a",
        "gap/over/a",
        "gap/under/a",
        "few/over/a",
        "few/under/a",
        "few/normal/a",
        "odd/hot/a",
    ):
        Path(place).mkdir(parents=True)
        shutil.copy(picture, Path(place) / "0.jpg")
    Path("in/run").mkdir(parents=True)
    shutil.copy(picture, "in/run/0.jpg")
    shutil.copy(picture, "in/run/1.jpg")
    lines = "path,label,group,split,usable\nrun/0.jpg,over,r,train,1\nrun/1.jpg,over,r,test,1\n"
    Path("in/both.csv").write_text(lines, encoding="utf-8")
    return tmp_path


def inside(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


LABEL = ["label", "in", "--bundle", "whole"]
TRAIN = ["train", "c.yaml"]
FOLDERS = ["--set", "data.manifest=''", "--set", "data.keep={}", "--set", "data.held_out=[]", "--set"]

CASES = {
    "unknown key": ([*TRAIN, "--set", "training.epoch=3"], 2, "'training.epoch'; did you mean 'epochs'"),
    "unknown part": ([*TRAIN, "--set", "classifier.kind=svmm"], 2, "did you mean 'svm'"),
    "unknown option": ([*TRAIN, "--set", "classifier.options={k: 1}"], 2, "unknown option 'k'"),
    "head and distance": ([*TRAIN, "--set", "branches.head=palette"], 2, "use a vector head"),
    "no config": (["train", "none.yaml"], 2, "config none.yaml: cannot be read"),
    "empty value": ([*TRAIN, "--set", "data.root="], 2, "write '' for an empty text"),
    "no root": ([*TRAIN, "--set", "data.root=''"], 2, "data.root: is empty; name the folder"),
    "missing folder": ([*TRAIN, "--set", "data.root=nowhere"], 5, "nowhere is no folder"),
    "missing manifest": ([*TRAIN, "--set", "data.root=empty"], 5, "manifest.csv cannot be read"),
    "one class": ([*TRAIN, *FOLDERS, "data.root=one"], 2, "are of class 'over', needed: two"),
    "empty class": ([*TRAIN, *FOLDERS, "data.root=gap"], 2, "class 'normal' has no samples"),
    "too few": ([*TRAIN, *FOLDERS, "data.root=few"], 2, "has 1 sample, needed: 2 or more"),
    "no class": ([*TRAIN, *FOLDERS, "data.root=odd"], 2, "folder 'hot' is no class"),
    "fewer than K": ([*TRAIN, "--set", "training.samples_per_class=9"], 2, "class 'under' has"),
    "both sides": (
        [*TRAIN, "--set", "data.root=in", "--set", "data.manifest=both.csv"], 2, "give the whole group one",
    ),
    "held out": ([*TRAIN, "--set", "data.held_out=[run05]"], 2, "did you mean 'run005'"),
    "nothing held out": (["demo", "--config", "c.yaml", "--set", "data.held_out=[]"], 2, "name the groups"),
    "no run to resume": ([*TRAIN, "--resume", "full"], 2, "holds no readable run.json"),
    "resume and out": ([*TRAIN, "--resume", "full", "--overwrite"], 2, "leave out --out and --overwrite"),
    "out is full": ([*TRAIN, "--out", "full"], 2, "is not empty; choose another folder"),
    "out is no run": ([*TRAIN, "--out", "full", "--overwrite"], 2, "no earlier run's"),
    "out is a file": ([*TRAIN, "--out", "file"], 6, "file: cannot be written"),
    "out below a file": ([*TRAIN, "--out", "file/x"], 6, "cannot be written"),
    "cut bundle": (["bundle", "show", "cut"], 5, "cut short or altered; take the bundle again"),
    "newer bundle": (["bundle", "show", "newer"], 5, "format 2, this kilnsense reads up to 1"),
    "altered bundle": (["label", "in", "--bundle", "altered", "--out", "t"], 5, "was altered"),
    "no bundle": (["label", "in", "--bundle", "empty", "--out", "t"], 5, "made by `kilnsense train`"),
    "no source": (["label", "nowhere", "--bundle", "whole", "--out", "t"], 5, "nowhere: is not there"),
    "empty source": (["label", "empty", "--bundle", "whole", "--out", "t"], 2, "holds no files"),
    "run below a file": ([*LABEL, "--out", "file/t"], 6, "cannot be written"),
    "table format": ([*LABEL, "--format", "csv,xls"], 2, "--format: got 'xls', allowed: csv, jsonl, parquet"),
    "no table format": ([*LABEL, "--format", ","], 2, "--format: got none, allowed: csv"),
    "shard": ([*LABEL, "--shard", "3"], 2, "--shard: got '3', allowed: I/N, such as 3/8"),
    "no such shard": ([*LABEL, "--shard", "3/2"], 2, "shard: got 3/2, allowed: 1/2 and up to the last"),
    "since": ([*LABEL, "--since", "yesterday"], 2, "--since: got 'yesterday', allowed: a date"),
    "confidence": ([*LABEL, "--min-confidence", "1.5"], 2, "min_confidence"),
    "jobs": ([*LABEL, "--jobs", "none"], 2, "--jobs: got 'none', allowed: auto, or 1 and up"),
    "simulate into a full folder": (["simulate", "--out", "full"], 2, "not empty"),
    "simulate a size": (["simulate", "--out", "x", "--size", "3"], 2, "for example 640x480"),
    "wrong verb": (["trian"], 2, "Did you mean 'train'"),
    "wrong option": ([*TRAIN, "--uot", "x"], 2, "No such option: --uot"),
    "missing argument": (["train"], 2, "Missing argument 'CONFIG'; see `kilnsense train --help`"),
    "wrong value": ([*LABEL, "--every", "0"], 2, "--every"),
    "no setting": (["config", "show", "--set", "name"], 2, "allowed: a.b=value"),
    "unknown section": (["config", "check", "--set", "brances.size=3"], 2, "did you mean 'branches'"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_one_line_the_right_code_and_nothing_left(
    case: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, code, words = CASES[case]
    before = inside(here)
    assert run(arguments) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err
    assert said.err.startswith("kilnsense: ")
    assert words in said.err
    assert inside(here) == before


def test_files_that_are_no_pictures_are_rows_not_errors(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["label", "file", "--bundle", "whole", "--out", "t", "--json"]) == 3
    said = json.loads(capsys.readouterr().out)
    assert (said["rows"], said["not_named"]) == (1, {"not_an_image": 1})


def test_pictures_that_cannot_be_read_stop_a_training(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every file of the manifest is broken: said with the first reason, and no folder stays."""
    lines = ["path,label,group,usable"]
    for label in ("under", "normal", "over"):
        for number in range(3):
            Path(f"in/{label}{number}.jpg").write_text("no picture", encoding="utf-8")
            lines.append(f"{label}{number}.jpg,{label},g{number},1")
    Path("in/manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    call = ["train", "c.yaml", "--set", "data.root=in", "--set", "data.held_out=[]", "--out", "x"]
    assert run(call) == 2
    assert "none of the 9 labelled files is a usable picture (the first: " in capsys.readouterr().err
    assert not Path("x").exists()


def test_an_unexpected_error_is_one_line_with_code_one(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a\nb")

    monkeypatch.setattr("kilnsense.label.inputs.expect_files", fail)
    call = [*LABEL, "--out", "t"]
    assert run(call) == 1
    assert capsys.readouterr().err == (
        "kilnsense: unexpected RuntimeError: a b; run again with --debug and report the traceback\n"
    )
    assert run(["--debug", *call]) == 1
    assert "Traceback" in capsys.readouterr().err
