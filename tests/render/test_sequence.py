"""Runs on disk: the same bytes for the same seed, and nothing half-written."""

import csv
import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from kilnsense.errors import ConfigError, InputError, StorageError
from kilnsense.render.sequence import COLUMNS, Simulation, is_simulated, parse_size, simulate

SMALL = (64, 48)


def _bytes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_same_seed_same_bytes_whatever_the_workers(tmp_path: Path) -> None:
    simulate(tmp_path / "a", Simulation(runs=2, frames=2, size=SMALL, seed=3))
    simulate(tmp_path / "b", Simulation(runs=2, frames=2, size=SMALL, seed=3), workers=2)
    simulate(tmp_path / "c", Simulation(runs=2, frames=2, size=SMALL, seed=4))
    first, second, other = (_bytes(tmp_path / name) for name in "abc")
    assert first == second
    assert first["run000/00000.jpg"] != other["run000/00000.jpg"]
    assert first["run000/00000.jpg"] != first["run001/00000.jpg"]


def test_a_run_does_not_depend_on_how_many_follow(tmp_path: Path) -> None:
    simulate(tmp_path / "one", Simulation(runs=1, frames=2, size=SMALL))
    simulate(tmp_path / "two", Simulation(runs=2, frames=2, size=SMALL))
    one, two = _bytes(tmp_path / "one"), _bytes(tmp_path / "two")
    assert one["run000/00001.jpg"] == two["run000/00001.jpg"]


def test_manifest_pictures_and_masks_fit_together(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    manifest = simulate(
        tmp_path / "out",
        Simulation(runs=2, frames=3, size=SMALL),
        progress=lambda done, total: seen.append((done, total)),
    )
    rows = _rows(tmp_path / "out")
    assert manifest == tmp_path / "out" / "manifest.csv"
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 6
    assert seen == [(i, 6) for i in range(1, 7)]
    assert {row["group"] for row in rows} == {"run000", "run001"}
    for row in rows:
        picture = cv2.imdecode(np.fromfile(tmp_path / "out" / row["path"], np.uint8), cv2.IMREAD_COLOR)
        mask_file = tmp_path / "out" / "masks" / Path(row["path"]).with_suffix(".png")
        mask = cv2.imdecode(np.fromfile(mask_file, np.uint8), cv2.IMREAD_UNCHANGED)
        assert picture.shape == (48, 64, 3)
        assert mask.shape == (48, 64)
        assert set(np.unique(mask)) <= {0, 1, 2, 3, 255}
        assert row["label"] in ("under", "normal", "over")
    facts = json.loads((tmp_path / "out" / "simulation.json").read_text())
    assert facts["kind"] == "synthetic"
    assert is_simulated(tmp_path / "out")
    assert not is_simulated(tmp_path)
    assert facts["seed"] == 0
    assert [run["name"] for run in facts["runs"]] == ["run000", "run001"]
    assert facts["difficulty"]["decoupled_share"] == 0.3


def test_clip_holds_continuous_frames(tmp_path: Path) -> None:
    simulate(tmp_path / "out", Simulation(runs=1, frames=5, size=SMALL, video=True, masks=False))
    rows = _rows(tmp_path / "out")
    times = [float(row["time_s"]) for row in rows]
    assert np.diff(times) == pytest.approx([0.04] * 4, abs=1e-6)
    assert rows[3]["path"] == "run000.mp4#3"
    assert not (tmp_path / "out" / "masks").exists()
    capture = cv2.VideoCapture(str(tmp_path / "out" / "run000.mp4"))
    try:
        count = 0
        while capture.read()[0]:
            count += 1
    finally:
        capture.release()
    assert count == 5


def test_clip_has_the_same_bytes_again(tmp_path: Path) -> None:
    for name in ("a", "b"):
        simulate(tmp_path / name, Simulation(runs=1, frames=3, size=SMALL, video=True, masks=False))
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b")


def test_interrupted_job_leaves_no_manifest(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "out", Simulation(runs=1, frames=3, size=SMALL), progress=stop)
    assert not (tmp_path / "out" / "manifest.csv").exists()


def test_folder_with_content_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("keep")
    with pytest.raises(ConfigError, match="not empty"):
        simulate(tmp_path, Simulation(runs=1, frames=1, size=SMALL))
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="this is a file"):
        simulate(tmp_path / "file", Simulation(runs=1, frames=1, size=SMALL))


def test_a_name_the_disk_refuses_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        simulate(tmp_path / ("x" * 400), Simulation(runs=1, frames=1, size=SMALL))


def test_wrong_arguments_write_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="runs: got 0"):
        simulate(tmp_path / "out", Simulation(runs=0))
    with pytest.raises(ConfigError, match="difficulty: got 'toy'"):
        simulate(tmp_path / "out", Simulation(difficulty="toy"))
    assert not (tmp_path / "out").exists()


def test_size_is_read_from_text() -> None:
    assert parse_size("1920X1080") == (1920, 1080)
    with pytest.raises(ConfigError, match="for example 640x480"):
        parse_size("640")
