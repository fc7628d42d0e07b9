"""`kilnsense segment` from the command line: what it writes, prints and returns."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kilnsense.cli.main import run


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three pictures of four colours, two of one stem, and a file that is none."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    colours = np.array([[25, 18, 15], [110, 60, 25], [190, 115, 50], [252, 235, 160]])
    slots = np.repeat(np.repeat(np.array([[0, 1, 1], [2, 2, 3]]), 30, axis=0), 40, axis=1)
    rng = np.random.default_rng(0)
    for name in ("a.png", "a.bmp", "sub/b.png"):
        noisy = colours[slots] + rng.normal(0, 2, (*slots.shape, 3))
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    return folder


def table(out: Path) -> list[dict[str, str]]:
    with (out / "regions.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_with_a_bad_file(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run(["segment", str(pictures), "--out", str(out), "--json"]) == 3
    shown = json.loads(capsys.readouterr().out)
    assert (shown["frames"], shown["bad"]) == (3, 1)
    rows = table(out)
    assert [row["path"] for row in rows] == [*["a.bmp"] * 4, *["a.png"] * 4, "notes.txt", *["sub/b.png"] * 4]
    bad = rows[8]
    assert (bad["status"], bad["reason"], bad["region"]) == ("bad", "not_an_image", "")
    areas = [round(float(row["area"]), 2) for row in rows[:4]]
    assert areas == [0.17, 0.33, 0.33, 0.17]
    assert [row["region"] for row in rows[:4]] == ["coal", "wall", "material", "flame"]
    lightness = [float(row["mean_l"]) for row in rows[:4]]
    assert lightness == sorted(lightness)
    drawn = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.jpg"))
    assert drawn == ["a.png_overlay.jpg", "a_overlay.jpg", "sub/b_overlay.jpg"]


def test_one_picture_and_other_names(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    names = "segment.names=[dark, light]"
    views = "branches.views=['scale:1.0']"
    call = ["segment", str(pictures / "a.png"), "--out", str(out), "--set", names, "--set", views]
    assert run(call) == 0
    assert [row["region"] for row in table(out)] == ["dark", "light"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere"], 5, "is not there"),
        (["in", "--set", "segment.nmaes=1"], 2, "nmaes"),
        (["in", "--bundle", "b", "--set", "seed=1"], 2, "--bundle brings its own config"),
        (["in/notes.txt"], 3, "no picture to learn the regions from (notes.txt: the first bytes"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["segment", *arguments, "--out", "out"]) == code
    line = capsys.readouterr().err
    assert words in line
    assert line.count("\n") == 1
    assert not Path("out").exists()
