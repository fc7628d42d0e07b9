"""The scripts that measure on real pictures, run on tiny drawn ones in the same layout."""

import csv
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

PIPELINES = Path(__file__).parents[2] / "pipelines"
MIXTURES, STABILITIES = ("lean", "mid", "rich"), ("unstable", "uncertain", "stable")
QUICK = ("--classifiers", "lda", "--set", "decide.folds=2", "--set", "image.width=96")
NO_NETWORK = ("--set", "training.enabled=false")
TINY_NETWORK = (
    "--set", "branches.size=16", "--set", "branches.dimensions=4", "--set", "training.epochs=1",
    "--set", "training.batches_per_epoch=1", "--set", "training.samples_per_class=2",
)  # fmt: skip

Rows = list[dict[str, Any]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Rows]:
    """A function (script, arguments) -> its JSON rows."""

    def run(script: str, *arguments: object) -> Rows:
        monkeypatch.syspath_prepend(str(PIPELINES))
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments), "--json"])
        importlib.import_module(script).main()
        rows: Rows = json.loads(capsys.readouterr().out)
        return rows

    return run


def draw(label: int, rng: np.random.Generator, size: tuple[int, int] = (64, 96)) -> np.ndarray:
    """A dark picture with a round flame of the colour of its class, four shades within."""
    y, x = np.mgrid[: size[0], : size[1]]
    flame = np.exp(-(((x - size[1] / 2) / 20) ** 2) - ((y - size[0] / 2 + rng.normal(0, 2)) / 10) ** 2)
    colour = np.array([(90, 60, 220), (120, 160, 220), (240, 160, 60)][label]) * rng.uniform(0.85, 1.15)
    return np.clip(flame[..., None] * colour + rng.normal(6, 2, (*size, 3)), 0, 255).astype(np.uint8)


def layout(root: Path, *, clips: int, seed: int, labels: tuple[int, ...] = (0, 1, 2)) -> Path:
    """`frames/` and `manifest.csv` with so many clips of two frames for each class."""
    rng, rows = np.random.default_rng(seed), []
    (root / "frames").mkdir(parents=True)
    for label in labels:
        for clip in range(clips):
            for frame in range(2):
                path = f"frames/v{label}{clip}_{frame}.png"
                assert cv2.imwrite(str(root / path), draw(label, rng)[..., ::-1])
                rows.append((path, f"v{label}{clip}", frame, MIXTURES[label], STABILITIES[label]))
    with (root / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "group", "frame", "mixture", "stability"), *rows])
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return layout(tmp_path_factory.mktemp("given") / "data", clips=4, seed=1)


def test_a_test_folder_that_lacks_a_class_is_judged_by_all_ways(
    call: Callable[..., Rows], data: Path, tmp_path: Path
) -> None:
    drifted = layout(tmp_path / "drifted", clips=1, seed=2, labels=(0, 2))
    rows = call("real_flames", "--data", data, "--test", drifted, "--label", "mixture", *QUICK, *TINY_NETWORK)
    wanted = {"label", "classifier", "features", "test", "balanced_accuracy", "macro_f1", "coverage"}
    wanted |= {"accepted_accuracy", "unfamiliar", "baseline", "accepted_wrong"}
    assert all(wanted <= row.keys() and row["test"] == str(drifted) and row["frames"] == 4 for row in rows)
    ours = [row["features"] for row in rows if not row["baseline"]]
    assert ours == ["branches and descriptors", "branches alone", "descriptors alone"]
    assert sum(row["baseline"] for row in rows) >= 5
    best = next(row for row in rows if row["features"] == "descriptors alone")
    assert best["balanced_accuracy"] == 1.0


def test_folds_judge_every_frame_once_and_repeats_give_a_spread(
    call: Callable[..., Rows], data: Path
) -> None:
    rows = call(
        "real_flames", "--data", data, "--label", "stability", "--folds", 2, "--repeats", 2,
        "--processes", 1, *QUICK, *NO_NETWORK,
    )  # fmt: skip
    assert {(row["frames"], row["repeats"], row["test"]) for row in rows} == {(24, 2, "unseen clips")}
    majority = next(row for row in rows if row["classifier"] == "majority")
    assert majority["balanced_accuracy"] < 0.5 < rows[0]["balanced_accuracy"]
    assert majority["coverage"] == 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("lean", ""), r"manifest .* label is empty, allowed: lean, mid, rich"),
        (lambda text: text.replace("mixture", "blend"), "no column 'mixture'"),
        (lambda text: text, "is training frame"),
    ],
)
def test_faults_of_a_test_folder_end_in_one_clear_line(
    call: Callable[..., Rows], data: Path, tmp_path: Path, change: Callable[[str], str], message: str
) -> None:
    bad = layout(tmp_path / "bad", clips=4, seed=1)
    (bad / "manifest.csv").write_text(change((bad / "manifest.csv").read_text()))
    with pytest.raises(SystemExit, match=message):
        call("real_flames", "--data", data, "--test", bad, "--label", "mixture", *QUICK, *NO_NETWORK)


def test_colour_distances_judges_all_ways_on_the_same_folds(call: Callable[..., Rows], data: Path) -> None:
    rows = call(
        "colour_distances", "--data", data, "--label", "mixture", "--folds", 2, "--repeats", 1, *TINY_NETWORK
    )
    names = {row["features"] for row in rows}
    assert {"vector, euclidean", "palette, ciede2000", "palette, redmean", "palette, cie76"} <= names
    assert len(rows) == 2 * len(names)
    assert {row["frames"] for row in rows} == {24}


def test_drift_leaves_whole_clips_out(call: Callable[..., Rows], data: Path) -> None:
    rows = call("drift", "--data", data, "--classifiers", "lda", "--processes", 1, *QUICK[2:], *NO_NETWORK)
    frames = {row["test"]: row["frames"] for row in rows}
    assert frames["brightest mid"] == 8
    assert frames["lean left out"] == frames["mid left out"] == frames["rich left out"] == 8
    assert all(row["balanced_accuracy"] == 0.0 for row in rows if row["test"].endswith("left out"))


def test_coffee_keeps_the_bean_and_flattens_the_rest(
    call: Callable[..., Rows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(PIPELINES))
    coffee = importlib.import_module("coffee_roast")
    rng = np.random.default_rng(3)
    shades = {
        "green": (150, 160, 110),
        "light": (190, 140, 60),
        "medium": (110, 70, 40),
        "dark": (50, 35, 30),
    }
    inside = np.hypot(*(np.mgrid[:64, :64] - 32)) < 16
    for name, colour in shades.items():
        (tmp_path / name).mkdir()
        for number in range(8):
            picture = np.where(inside[..., None], colour, (235, 235, 240)) + rng.normal(0, 3, (64, 64, 3))
            pixels = np.clip(picture, 0, 255).astype(np.uint8)
            assert cv2.imwrite(str(tmp_path / name / f"{number}.png"), pixels[..., ::-1])
    from kilnsense.image.decode import decode

    flat = coffee.flat(decode(tmp_path / "dark" / "0.png")).pixels
    grey = (flat == coffee.GREY).all(axis=2)
    assert grey[~inside].mean() > 0.95
    assert grey[inside].mean() < 0.05
    rows = call(
        "coffee_roast",
        "--data",
        tmp_path,
        "--folds",
        2,
        "--processes",
        1,
        *QUICK[2:],
        *NO_NETWORK,
        "--classifiers",
        "svm",
    )
    assert {row["test"] for row in rows} == {"original background", "flat background"}
