"""The same portions on a Ray of this computer: the same bytes, also where its workers are killed."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from kilnsense.cli.main import run
from kilnsense.errors import BundleError, ConfigError, SourceError
from kilnsense.label import ray_engine
from kilnsense.label.portion import Job
from kilnsense.label.ray_engine import Cluster
from kilnsense.record.store import FILE, open_store

COMMAND = [sys.executable, "-c", "from kilnsense.cli.main import main; main()"]
HOSTILE = {
    "empty.jpg": b"",
    "notes.txt": b"no picture",
    "header.png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x02\x00\x00\x00",
    "clip.mp4": b"no video",
}


@pytest.fixture(scope="module")
def archive(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Several portions of pictures with hostile files among them, one of a name that is no text."""
    root = tmp_path_factory.mktemp("ray") / "in"
    pictures = sorted(tiny_root.glob("run*/*.jpg"))
    for number in range(150):
        path = root / f"day{number // 50}" / f"{number:03d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = pictures[number % len(pictures)].read_bytes()
        path.write_bytes(data[:-500] if number % 41 == 0 else data)
    for name, data in HOSTILE.items():
        (root / name).write_bytes(data)
    (root / "out.jpg").symlink_to("/etc/passwd")
    Path(os.fsdecode(os.fsencode(root) + b"/day1/\xff.jpg")).write_bytes(pictures[0].read_bytes())
    return root


@pytest.fixture(scope="module")
def local(archive: Path, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    out = tmp_path_factory.mktemp("local") / "run"
    words = ["--quiet", "label", str(archive), "--bundle", str(tiny_bundle), "--out", str(out)]
    assert run([*words, "--jobs", "2"]) == 3
    os.environ.pop("KILNSENSE_QUIET", None)
    return (out / "labels.csv").read_bytes()


def words_of(archive: Path, bundle: Path, out: Path) -> list[str]:
    return [
        *(*COMMAND, "--quiet", "label", str(archive), "--bundle", str(bundle), "--engine", "ray"),
        *("--jobs", "2", "--json", "--out", str(out)),
    ]


def workers_of(pid: int) -> list[int]:
    """The processes below one whose work is labelling."""
    done = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in done.stdout.splitlines()]
    below = {pid}
    for _ in rows:
        below |= {int(row[0]) for row in rows if int(row[1]) in below}
    return [int(row[0]) for row in rows if int(row[0]) in below and "ray::MapWorker" in row[2]]


def portions(folder: Path) -> int:
    with contextlib.suppress(Exception), open_store(folder / FILE) as store:
        return len(store.done())
    return 0


def test_two_ray_workers_give_the_bytes_of_the_local_engine(
    archive: Path, local: bytes, tiny_bundle: Path, tmp_path: Path
) -> None:
    before = set(Path("/tmp").glob("ks-*"))
    words = words_of(archive, tiny_bundle, tmp_path / "run")
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["rows"] == 156
    assert (tmp_path / "run" / "labels.csv").read_bytes() == local
    assert set(Path("/tmp").glob("ks-*")) <= before


@pytest.mark.slow
def test_killed_ray_workers_are_replaced_and_lose_nothing(
    archive: Path, local: bytes, tiny_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with Popen(words_of(archive, tiny_bundle, out), stdout=PIPE, stderr=PIPE, text=True) as process:
        until = time.monotonic() + 100
        while portions(out) < 1 and time.monotonic() < until and process.poll() is None:
            time.sleep(0.01)
        victims = workers_of(process.pid)
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        told, said = process.communicate(timeout=200)
    assert victims
    assert process.returncode == 3, said
    assert json.loads(told)["rows"] == 156
    assert (out / "labels.csv").read_bytes() == local


@pytest.mark.slow
def test_a_run_begun_here_ends_on_ray(archive: Path, local: bytes, tiny_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    begun = [*COMMAND, "--quiet", "label", str(archive), "--bundle", str(tiny_bundle), "--jobs", "1"]
    with Popen([*begun, "--out", str(out)]) as process:
        while portions(out) < 1 and process.poll() is None:
            time.sleep(0.005)
        process.kill()
    assert 0 < portions(out) < 5
    words = words_of(archive, tiny_bundle, out)
    words[words.index("--out")] = "--resume"
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 3, done.stderr
    assert (out / "labels.csv").read_bytes() == local


def test_a_node_that_misses_the_folder_or_has_another_model_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    job = Job(0, ((1, "a.png"), (2, "b.png")), {})
    row = {"input": 1, "part": 0, "status": "bad", "reason": "missing", "label": None, "confidence": None}
    row |= {
        "margin": None,
        "unfamiliarity": None,
        "message": "",
        "cells": ["a.png", "m1", "label/1"],
    }
    said = {"node": "n7", "seen": True, "rows": [row]}
    assert ray_engine._rows_of(said, job, tmp_path, "m1")[0].cells == ("a.png", "m1", "label/1")
    with pytest.raises(SourceError, match=r"n7: sees no .*a\.png, which is there on this computer; mount"):
        ray_engine._rows_of({**said, "seen": False}, job, tmp_path, "m1")
    with pytest.raises(BundleError, match="node n7: judged by model m1, here is m2"):
        ray_engine._rows_of(said, job, tmp_path, "m2")
    with pytest.raises(SourceError, match="node n7: holds no bundle"):
        ray_engine._rows_of({"node": "n7", "known": "holds no bundle"}, job, tmp_path, "m1")
    with pytest.raises(RuntimeError, match="node n7: ValueError"):
        ray_engine._rows_of({"node": "n7", "fault": "ValueError"}, job, tmp_path, "m1")
    (tmp_path / "a.png").unlink()  # gone everywhere: no fault of the node
    assert ray_engine._rows_of({**said, "seen": False}, job, tmp_path, "m1")


@pytest.mark.parametrize("address", ["head", "ray://head:1", "head:x", ":6379"])
def test_a_wrong_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="allowed: auto, or host:port"):
        Cluster(address)


def test_a_cluster_that_does_not_answer_is_told_at_once(
    archive: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [*words_of(archive, tiny_bundle, tmp_path / "run"), "--address", f"127.0.0.1:{port}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 5
    assert "cannot be joined (" in done.stderr
    assert "ray start --head" in done.stderr


def test_the_default_loads_no_ray_and_one_without_it_is_told(
    archive: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    hide = "import sys; sys.modules['ray'] = None; "
    words = words_of(archive, tiny_bundle, tmp_path / "run")
    words[2] = hide + words[2]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "--engine ray needs ray; install kilnsense[ray]" in done.stderr
    assert not (tmp_path / "run").exists()
    code = "import sys, kilnsense.cli.main, kilnsense.label.run; print('ray' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"
