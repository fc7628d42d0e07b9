"""A folder of pictures: missing, empty, closed, endless, damaged."""

import os
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest

from kilnsense.doctor.findings import Finding
from kilnsense.doctor.source import SECONDS, check_files, check_first_picture, check_source

PICTURE = bytes(cv2.imencode(".png", np.arange(48 * 64, dtype=np.uint8).reshape(48, 64))[1])


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A folder with two pictures in a run, and what is beside pictures."""
    (tmp_path / "frames" / "run1").mkdir(parents=True)
    for name in ("b.png", "a.png"):
        (tmp_path / "frames" / "run1" / name).write_bytes(PICTURE)
    (tmp_path / "frames" / "index.csv").write_text("path\n", encoding="utf-8")
    for passed_over in (".hidden.png", "Thumbs.db"):
        (tmp_path / "frames" / passed_over).touch()
    return tmp_path / "frames"


def found(source: Path) -> dict[str, Finding]:
    return {finding.name: finding for finding in check_source(source)}


def test_a_good_folder_is_counted_and_its_first_picture_decoded(frames: Path) -> None:
    said = found(frames)
    assert said.keys() == {"file_system", "source", "picture"}
    assert said["source"].found == f"3 files in {frames}"
    assert said["picture"].found == "run1/a.png: 64 x 48 pixels"
    assert {finding.state for finding in said.values()} <= {"ok", "warn"}
    assert said["picture"].state == said["source"].state == "ok"


def test_one_picture_is_a_source_too(frames: Path) -> None:
    said = found(frames / "run1" / "b.png")
    assert said["source"].found.startswith("1 file in ")
    assert said["picture"].found == "b.png: 64 x 48 pixels"


def test_a_missing_folder_is_found(frames: Path) -> None:
    assert {name: finding.state for name, finding in found(frames / "none").items()} == {"source": "fail"}


def test_an_empty_folder_is_found(tmp_path: Path) -> None:
    said = found(tmp_path)
    assert said["source"].state == "warn"
    assert "picture" not in said


def test_a_folder_below_that_cannot_be_listed_is_found(frames: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may list every folder, so the refusal is made up."""
    scandir = os.scandir

    def refuse(folder: str) -> object:
        if os.fspath(folder).endswith("run1"):
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    finding, _ = check_files(frames)
    assert finding.state == "fail"
    assert finding.found == f"{frames / 'run1'} cannot be listed (Permission denied)"


def test_counting_stops_after_a_while(frames: Path) -> None:
    clock = count(0, SECONDS * 0.8)
    finding, first = check_files(frames, clock=lambda: next(clock))
    assert finding.found == f"more than 2 files in {frames}"
    assert len(first) == 2


def test_a_damaged_first_picture_is_found_beside_a_good_one(frames: Path) -> None:
    (frames / "run1" / "a.png").write_bytes(PICTURE[:-40])
    finding = found(frames)["picture"]
    assert finding.state == "warn"
    assert finding.found.startswith("run1/a.png: truncated (")
    assert finding.found.endswith("; run1/b.png can be read")


def test_a_folder_of_damaged_pictures_only_fails(frames: Path) -> None:
    for name in ("a.png", "b.png"):
        (frames / "run1" / name).write_bytes(PICTURE[:-40])
    finding = found(frames)["picture"]
    assert (finding.state, finding.found.split(":")[0]) == ("fail", "run1/a.png")


def test_a_folder_without_pictures_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no picture", encoding="utf-8")
    finding = found(tmp_path)["picture"]
    assert (finding.state, finding.found) == ("warn", "no picture among the first 1 file")


def test_a_slow_share_does_not_hold_up_the_rest(frames: Path) -> None:
    clock = count(0, SECONDS * 2)
    paths = [frames / "index.csv", frames / "run1" / "a.png"]
    finding = check_first_picture(paths, frames, clock=lambda: next(clock))
    assert finding.found == "no picture among the first 1 file"
