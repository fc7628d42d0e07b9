"""`kilnsense label`: killed and gone on with, in shards, in formats, and on disks that refuse."""

import csv
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kilnsense.cli.main import run
from kilnsense.record.store import FILE

HEAR = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
COMMAND = [sys.executable, "-c", f"{HEAR}from kilnsense.cli.main import main; main()"]


@pytest.fixture(scope="module")
def archive(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 inputs: the tiny pictures again and again, a broken one among them every so often."""
    root = tmp_path_factory.mktemp("archive") / "in"
    pictures = sorted(tiny_root.glob("run*/*.jpg"))
    for number in range(200):
        path = root / f"day{number // 50}" / f"{number:03d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = pictures[number % len(pictures)].read_bytes()
        path.write_bytes(data[:-500] if number % 41 == 0 else data)
    return root


@pytest.fixture(scope="module")
def whole(archive: Path, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an undisturbed run."""
    out = tmp_path_factory.mktemp("whole") / "run"
    words = ["--quiet", "label", str(archive), "--bundle", str(tiny_bundle), "--format", "csv,jsonl"]
    assert run([*words, "--out", str(out)]) == 3
    os.environ.pop("KILNSENSE_QUIET", None)
    return out


def done_portions(folder: Path) -> int:
    if not (folder / FILE).exists():
        return 0
    try:
        with sqlite3.connect(f"{(folder / FILE).as_uri()}?mode=ro", uri=True) as connection:
            (count,) = connection.execute("SELECT count(*) FROM portions").fetchone()
        connection.close()
        return int(count)
    except sqlite3.Error:
        return 0  # it is being made


def stopped(words: list[str], folder: Path, number: signal.Signals, *, after: int) -> tuple[int, str]:
    """Ends a run with a signal once so many portions are done; its code and what it said last."""
    with subprocess.Popen(
        [*COMMAND, *words, "--out", str(folder)], stderr=subprocess.PIPE, text=True
    ) as process:
        until = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < until:
            if (folder / "run.json").exists() and done_portions(folder) >= after:
                break
            time.sleep(0.002)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    return process.returncode, errors


@pytest.mark.parametrize("after", [0, 3])
def test_killed_at_any_moment_it_ends_with_the_same_bytes(
    archive: Path, whole: Path, tiny_bundle: Path, tmp_path: Path, after: int
) -> None:
    out = tmp_path / "run"
    words = ["label", str(archive), "--bundle", str(tiny_bundle), "--format", "csv,jsonl"]
    code, _ = stopped(words, out, signal.SIGKILL, after=after)
    assert code == -signal.SIGKILL
    assert not (out / "labels.csv").exists()
    before = done_portions(out)
    assert before >= after
    assert run(["--quiet", *words, "--resume", str(out)]) == 3
    for name in ("labels.csv", "labels.jsonl"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    assert done_portions(out) == 7


def test_an_interrupt_says_how_to_go_on(archive: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    words = ["label", str(archive), "--bundle", str(tiny_bundle), "--every", "5", "--exclude", "*.txt"]
    code, errors = stopped(words, tmp_path / "run", signal.SIGINT, after=2)
    assert code == 130
    last = errors.splitlines()[-1]
    assert f"kilnsense label {archive} --bundle={tiny_bundle}" in last
    assert "'--exclude=*.txt' --every=5 --resume" in last


def test_a_run_goes_on_only_with_what_it_was_started_with(
    archive: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["label", str(archive), "--bundle", str(tiny_bundle)]
    stopped(words, tmp_path / "run", signal.SIGKILL, after=1)
    assert run([*words, "--resume", str(tmp_path / "run"), "--min-confidence", "0.9"]) == 2
    assert "it was started with min_confidence None, got 0.9" in capsys.readouterr().err


def test_shards_have_all_rows_between_them(
    archive: Path, whole: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    rows = []
    for number in (1, 2, 3):
        out = tmp_path / f"shard{number}"
        words = ["--quiet", "label", str(archive), "--bundle", str(tiny_bundle), "--shard", f"{number}/3"]
        assert run([*words, "--out", str(out), "--jobs", "1"]) in (0, 3)
        rows += (out / "labels.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert sorted(rows) == sorted((whole / "labels.csv").read_text(encoding="utf-8").splitlines()[1:])


def test_a_higher_border_names_fewer_states(
    archive: Path, whole: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    words = [
        "--quiet",
        "label",
        str(archive),
        "--bundle",
        str(tiny_bundle),
        "--min-confidence",
        "1.0",
        "--jobs",
        "1",
    ]
    assert run([*words, "--out", str(tmp_path / "run")]) == 3
    tables = [
        list(csv.DictReader((folder / "labels.csv").read_text(encoding="utf-8").splitlines()))
        for folder in (whole, tmp_path / "run")
    ]
    assert sum(row["label"] != "" for row in tables[0]) > 0
    assert sum(row["label"] != "" for row in tables[1]) == 0
    for one, other in zip(*tables, strict=True):
        assert one["confidence"] == other["confidence"]


def test_parquet_holds_the_same_rows_and_is_the_same_again(
    archive: Path, whole: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    duckdb = pytest.importorskip("duckdb")
    for name in ("one", "two"):
        words = ["--quiet", "label", str(archive / "day0"), "--bundle", str(tiny_bundle)]
        assert run([*words, "--format", "parquet,jsonl", "--out", str(tmp_path / name)]) == 3
    table = tmp_path / "one" / "labels.parquet"
    assert table.read_bytes() == (tmp_path / "two" / "labels.parquet").read_bytes()
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT * FROM '{table}'").fetchall()
    lines = (tmp_path / "one" / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    expected = [tuple(json.loads(line).values()) for line in lines]
    assert found == expected
    assert not list((tmp_path / "one").glob(".*"))


@pytest.mark.skipif(not hasattr(os, "setsid"), reason="file size limits are those of Unix")
def test_a_full_disk_ends_with_6_and_can_be_gone_on_from(
    archive: Path, whole: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)); "
    ignore = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    command = [sys.executable, "-c", f"{limit}{ignore}from kilnsense.cli.main import main; main()"]
    words = ["label", str(archive), "--bundle", str(tiny_bundle)]
    done = subprocess.run([*command, *words, "--out", str(out)], capture_output=True, text=True, check=False)
    assert done.returncode == 6, done.stderr
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert run(["--quiet", *words, "--resume", str(out)]) == 3
    assert (out / "labels.csv").read_bytes() == (whole / "labels.csv").read_bytes()


def test_files_are_sorted_exported_and_queued_for_review(
    archive: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    words = ["--quiet", "label", str(archive / "day0"), "--bundle", str(tiny_bundle), "--jobs", "1"]
    more = ["--hardlink", "--export", "label-studio", "--review-top", "20%", "--json", "--out", str(out)]
    assert run([*words, *more]) == 3
    said = json.loads(capsys.readouterr().out)
    assert [Path(path).relative_to(out).as_posix() for path in said["tables"]] == [
        "labels.csv",
        "sorted/manifest.csv",
        "label_studio/tasks.json",
        "review.csv",
    ]
    rows = list(csv.DictReader((out / "labels.csv").read_text(encoding="utf-8").splitlines()))
    placed = list(csv.DictReader((out / "sorted" / "manifest.csv").read_text(encoding="utf-8").splitlines()))
    assert {one["source"] for one in placed} == {row["path"] for row in rows}
    for one in placed:
        assert (out / "sorted" / one["path"]).samefile(archive / "day0" / one["source"])
    queued = list(csv.DictReader((out / "review.csv").read_text(encoding="utf-8").splitlines()))
    good = [row for row in rows if row["status"] != "bad"]
    assert len(queued) == -(-len(good) // 5)
    assert all(row in good for row in queued)
    assert len(json.loads((out / "label_studio" / "tasks.json").read_text(encoding="utf-8"))) == len(good)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--copy", "--symlink"], "--copy and --symlink: allowed: one of them"),
        (["--copy", "--move", "--yes"], "--copy and --move: allowed: one of them"),
        (["--move"], "--move: takes the files out of the source; add --yes if that is meant"),
        (["--yes"], "--yes: nothing to agree to; it belongs to --move"),
        (
            ["--move", "--yes"],
            "s ago, allowed: nothing for 600 s, so that no file is taken from what records",
        ),
        (["--move", "--yes", "--shard", "1/2"], "--move and --shard=1/2: allowed: one of them"),
        (["--move", "--yes", "--export", "label-studio"], "--move and --export: allowed: one of them"),
        (["--on-bad", "fial"], "--on-bad: got 'fial', allowed: fail, skip; did you mean 'fail'?"),
        (["--engine", "rai"], "--engine: got 'rai', allowed: local, ray; did you mean 'ray'?"),
        (["--address", "auto"], "--address: is of a Ray cluster; add --engine ray, or leave it out"),
        (["--engine", "ray", "--address", "head"], "--address: got 'head', allowed: auto, or host:port"),
        (["--export", "excel"], "--export: got 'excel', allowed: label-studio"),
        (["--review-top", "0"], "share of the review: got '0', allowed: above 0% up to 100%"),
    ],
)
def test_what_cannot_be_written_beside_the_tables_is_refused_first(
    archive: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    call = ["label", str(archive), "--bundle", str(tiny_bundle), "--out", str(tmp_path / "run"), *words]
    assert run(call) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(
    archive: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    words = ["label", str(archive), "--bundle", str(tiny_bundle), "--format", "csv,jsonl", "--copy"]
    more = ["--review-top", "20%", "--export", "label-studio", "--shard", "2/2", "--dry-run", "--json"]
    assert run([*words, *more, "--out", str(out)]) == 0
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert told["inputs"] == 200
    assert told["in_shard"] == 96
    assert told["kinds"] == [{"kind": "picture", "ending": ".jpg", "files": 200}]
    assert told["first"] == [f"day0/{number:03d}.jpg" for number in range(5)]
    assert told["would_write"] == [
        "labels.csv",
        "labels.jsonl",
        "sorted/manifest.csv",
        "label_studio/tasks.json",
        "review.csv",
    ]
    assert f"would write into {out}: labels.csv" in shown.err
    assert not out.exists()
    (out).mkdir()
    (out / "mine.txt").touch()
    assert run([*words, *more, "--out", str(out)]) == 2
    assert "is not empty; choose another folder or add --overwrite" in capsys.readouterr().err


def test_on_bad_fail_stops_at_an_unreadable_file_and_goes_on_once_it_is_mended(
    archive: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, out = tmp_path / "in", tmp_path / "run"
    shutil.copytree(archive / "day0", root)
    words = ["--quiet", "label", str(root), "--bundle", str(tiny_bundle), "--jobs", "1", "--on-bad", "fail"]
    assert run([*words, "--out", str(out)]) == 3
    told = capsys.readouterr().err
    assert "000.jpg: truncated (" in told
    assert f"mend it and go on with --resume {out}, or without --on-bad fail" in told
    assert not (out / "labels.csv").exists()
    (root / "000.jpg").write_bytes((root / "001.jpg").read_bytes())
    assert run([*words, "--resume", str(out)]) == 3
    assert "041.jpg: truncated (" in capsys.readouterr().err
    assert run([*words[:-1], "skip", "--resume", str(out)]) == 3
    rows = list(csv.DictReader((out / "labels.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["path"] for row in rows if row["status"] == "bad"] == ["041.jpg"]
    assert len(rows) == 50


def test_moved_files_are_never_deleted_with_an_earlier_run(
    archive: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, out = tmp_path / "in", tmp_path / "run"
    shutil.copytree(archive / "day0", root)
    for path in root.iterdir():
        os.utime(path, (1e9, 1e9))
    words = ["--quiet", "label", str(root), "--bundle", str(tiny_bundle), "--jobs", "1", "--out", str(out)]
    assert run([*words, "--move", "--yes", "--dry-run"]) == 0
    assert len(list(root.iterdir())) == 50
    assert run([*words, "--move", "--yes"]) == 3
    assert list(root.iterdir()) == []
    placed = list(csv.DictReader((out / "sorted" / "manifest.csv").read_text(encoding="utf-8").splitlines()))
    assert len(placed) == 50
    assert all((out / "sorted" / row["path"]).is_file() for row in placed)
    assert (
        run(["--quiet", "label", str(archive), "--bundle", str(tiny_bundle), "--overwrite", *words[-2:]]) == 2
    )
    assert "holds files that were moved there and are nowhere else" in capsys.readouterr().err
    assert all((out / "sorted" / row["path"]).is_file() for row in placed)
