"""Frames in, burning states out: render, train, save, label; also where torch is not installed."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kilnsense.cli.main import run

Row = dict[str, str]


@pytest.fixture(scope="module")
def archive(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight good pictures in a sub-folder, and every kind of file that is none."""
    folder = tmp_path_factory.mktemp("archive")
    (folder / "run").mkdir()
    for path in sorted((tiny_root / "run005").iterdir()):
        (folder / "run" / path.name).write_bytes(path.read_bytes())
    good = (tiny_root / "run005" / "00000.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(good[: len(good) // 2])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("no picture", encoding="utf-8")
    (folder / "[bold] a,b.jpg").write_bytes(good)
    return folder


def rows_of(table: Path) -> list[Row]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def without_torch(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """The command line in an interpreter in which torch cannot be imported."""
    (folder / "torch").mkdir(exist_ok=True)
    refusal = "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n"
    (folder / "torch" / "__init__.py").write_text(refusal, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-c", "from kilnsense.cli.main import main; main()", *arguments],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def labelled(archive: Path, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Standard output and the table of labelling the archive without torch."""
    folder = tmp_path_factory.mktemp("plant")
    call = ["label", str(archive), "--bundle", str(tiny_bundle), "--out", str(folder / "run"), "--json"]
    done = without_torch(call, folder)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, folder / "run" / "labels.csv"


def test_torch_is_really_missing_there(tiny_file: Path, tmp_path: Path) -> None:
    done = without_torch(["train", str(tiny_file), "--out", str(tmp_path / "out")], tmp_path)
    assert done.returncode == 2
    assert done.stderr == "kilnsense: `kilnsense train` needs torch; install kilnsense[train]\n"
    assert not (tmp_path / "out").exists()


def test_every_file_gets_its_row(labelled: tuple[str, Path], archive: Path) -> None:
    rows = rows_of(labelled[1])
    paths = [row["path"] for row in rows]
    assert paths == sorted(p.relative_to(archive).as_posix() for p in archive.rglob("*") if p.is_file())
    reasons = {row["path"]: row["reason"] for row in rows if row["status"] == "bad"}
    assert reasons == {"cut.jpg": "truncated", "empty.jpg": "empty", "notes.txt": "not_an_image"}
    for row in rows:
        assert (row["label"] != "") == (row["status"] == "ok")
        if row["status"] != "bad":
            chances = [float(row[f"p_{name}"]) for name in ("under", "normal", "over")]
            assert sum(chances) == pytest.approx(1, abs=1e-5)
            assert float(row["confidence"]) == pytest.approx(max(chances), abs=1e-6)


def test_standard_output_is_one_json_object(labelled: tuple[str, Path]) -> None:
    said = json.loads(labelled[0])
    assert (said["rows"], said["tables"]) == (12, [str(labelled[1])])
    assert sum(said["states"].values()) + sum(said["not_named"].values()) == 12


def test_the_table_is_what_the_model_says_with_torch(
    labelled: tuple[str, Path], archive: Path, tiny_learned
) -> None:
    """The ONNX file without torch, and the networks in torch, give the same probabilities."""
    from kilnsense.data.folders import list_images
    from kilnsense.data.loader import load
    from kilnsense.recogniser import recognise

    model = tiny_learned.recogniser
    items = list(load(list_images(archive), root=archive, config=model.config.image))
    for row, record in zip(rows_of(labelled[1]), recognise(items, model), strict=True):
        assert (row["path"], row["reason"]) == (record.path, record.reason)
        if record.verdict is not None:
            found = [float(row[f"p_{name}"]) for name in model.config.classes]
            assert found == pytest.approx(record.verdict.probabilities, abs=1e-4)


def test_processes_and_formats_change_nothing(
    labelled: tuple[str, Path], archive: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    call = ["--quiet", "label", str(archive), "--bundle", str(tiny_bundle), "--jobs", "1"]
    assert run([*call, "--format", "jsonl,csv", "--out", str(tmp_path / "deep" / "er")]) == 3
    assert (tmp_path / "deep" / "er" / "labels.csv").read_bytes() == labelled[1].read_bytes()
    lines = (tmp_path / "deep" / "er" / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["path"] for line in lines] == [row["path"] for row in rows_of(labelled[1])]


def test_good_pictures_alone_end_with_zero(tiny_root: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    one = tiny_root / "run005" / "00003.jpg"
    out = tmp_path / "one"
    assert run(["--quiet", "label", str(one), "--bundle", str(tiny_bundle), "--out", str(out)]) == 0
    assert [row["path"] for row in rows_of(out / "labels.csv")] == ["00003.jpg"]


def test_training_again_gives_the_same_model(tiny_file: Path, tiny_saved, tmp_path: Path) -> None:
    out = tmp_path / "again"
    assert run(["--quiet", "train", str(tiny_file), "--out", str(out)]) == 0
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert (record["state"], record["model_id"]) == ("done", tiny_saved.model_id)
    assert not list(out.rglob(".*"))
