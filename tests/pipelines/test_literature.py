"""The table of the literature: what is run and read back, and that a study of tiny pictures goes through."""

import importlib
import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml

PIPELINES = Path(__file__).parents[2] / "pipelines"
HEAD = "name,features,judge,measure,mean,spread,n,rank\n"

Call = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def literature(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(PIPELINES))
    return importlib.import_module("literature")


@pytest.fixture
def call(
    literature: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Call:
    """A function of arguments -> its JSON rows; the runs are kept in `tmp_path / "runs"`."""

    def call(*arguments: object) -> list[dict[str, Any]]:
        given = ["literature", *map(str, arguments), "--out", str(tmp_path / "runs"), "--json"]
        monkeypatch.setattr(sys, "argv", given)
        literature.main()
        rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
        return rows

    return call


def test_every_reference_is_of_a_setting_that_is_run(literature: ModuleType) -> None:
    from kilnsense.config import load_study
    from kilnsense.study.plan import plan_trials

    planned = {
        (Path(name).stem, trial.setting)
        for name in literature.STUDIES
        for trial in plan_trials(load_study(literature.CONFIGS / name))
    }
    assert [r for r in literature.REFERENCES if r[:2] not in planned or not 0 < r[3] < 1] == []


def test_studies_run_where_their_data_are_and_go_on_where_they_were(
    literature: ModuleType, call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runs: list[list[str]] = []

    def fake(arguments: list[str]) -> int:
        runs.append(arguments)
        folder = Path(arguments[3])
        folder.mkdir(parents=True, exist_ok=True)
        name = "triplet, random-hard" if "fashion" in folder.name else "vector, L2"
        lines = [
            f'"{name}",embedding,nearest,accuracy,0.9,0.01,2,1',
            f'"{name}",embedding,svm,accuracy,0.8,0.01,2,1',
            f'"{name}",embedding,nearest,macro_f1,0.7,0.01,2,1',
            f'"{name}",region:flame,svm,balanced_accuracy,0.7,,1,1',
            f'"{name}",region:flame,svm,macro_f1,0.7,,1,1',
            f'"{name}",branches,nearest,balanced_accuracy,0.6,,1,1',
        ]
        (folder / "study.csv").write_text(HEAD + "\n".join(lines), encoding="utf-8")
        return 0

    monkeypatch.setattr(literature, "run", fake)
    rows = call("--fashion-mnist", "pictures", "--quick", "--set", "folds=2")
    assert [Path(arguments[1]).name for arguments in runs] == [
        "study_fashion_mnist.yaml",
        "study_rendered.yaml",
        "study_margins.yaml",
    ]
    assert [a for a in runs[0] if a.startswith("--set=")] == [
        "--set=base.training.epochs=1",
        "--set=base.training.batches_per_epoch=5",
        "--set=seeds=[0]",
        "--set=base.data.root=pictures",
        "--set=folds=2",
    ]
    assert not any("data.root" in a for a in runs[1])
    assert rows[0] == {
        "study": "study_fashion_mnist",
        "setting": "triplet, random-hard",
        "features": "embedding",
        "judge": "nearest",
        "measure": "accuracy",
        "seeds": 2,
        "measured": 0.9,
        "spread": 0.01,
        "reference": 0.89,
        "source": literature.PER_ANCHOR,
    }
    places = ("features", "judge", "measured", "spread", "reference")
    assert [tuple(row[key] for key in places) for row in rows[3:6]] == [
        ("embedding", "nearest", 0.9, 0.01, None),
        ("region:flame", "svm", 0.7, None, None),
        ("branches", "nearest", 0.6, None, None),
    ]
    assert {arguments[2] for arguments in runs} == {"--out"}
    call()
    assert {arguments[2] for arguments in runs[3:]} == {"--resume"}


def test_every_judge_of_every_part_of_frames_has_its_mean_over_the_settings(
    literature: ModuleType, call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fake(arguments: list[str]) -> int:
        folder = Path(arguments[3])
        folder.mkdir(parents=True)
        lines = [
            f"{name},{features},{judge},balanced_accuracy,{score},,1,1"
            for name, plus in (("vector", 0.0), ("palette", 0.1))
            for features, judge, score in (
                ("fused", "svm", 0.7 + plus),
                ("branches", "nearest", 0.5 + plus),
                ("branches", "svm", 0.6),
            )
        ]
        (folder / "study.csv").write_text(HEAD + "\n".join(lines), encoding="utf-8")
        return 0

    monkeypatch.setattr(literature, "run", fake)
    monkeypatch.setattr(literature, "STUDIES", {"study_rendered.yaml": ""})
    rows = call()
    literature.Console(width=100).print(literature.parts_table("study_rendered", rows))
    said = capsys.readouterr().out
    assert "study_rendered: balanced_accuracy, mean over 2 settings" in " ".join(said.split())
    lines = [line.replace("│", " ").split() for line in said.splitlines()]
    assert ["fused", "0.750"] in lines
    assert ["branches", "0.600", "0.550"] in lines
    assert literature.parts_table("study_margins", rows) is None
    literature.Console(width=100).print(literature.settings_table(rows))
    lines = capsys.readouterr().out.splitlines()
    assert [line.replace("│", " ").split()[1:4] for line in lines if "study_rendered" in line] == [
        ["vector", "balanced_accuracy", "0.500"],
        ["palette", "balanced_accuracy", "0.600"],
    ]


def test_a_study_that_fails_ends_it(
    literature: ModuleType, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(literature, "run", lambda _: 5)
    with pytest.raises(SystemExit, match=r"^5$"):
        call()


def write_idx(folder: Path, part: str, images: np.ndarray, labels: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
        head = struct.pack(f">{1 + array.ndim}I", 0x800 | array.ndim, *array.shape)
        (folder / f"{part}-{kind}-ubyte").write_bytes(head + array.tobytes())


@pytest.mark.slow
def test_every_variant_of_the_pictures_learns(
    literature: ModuleType, call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Bright bars at ten heights, two rows wide: easy enough for a few steps."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 200), ("t10k", 50)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = rng.integers(0, 40, (count, 28, 28)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[2 * label + 4 : 2 * label + 6] = 250
        write_idx(tmp_path / "pictures", part, images, labels)
    monkeypatch.setattr(literature, "STUDIES", {"study_fashion_mnist.yaml": "fashion_mnist"})
    small = ("base.training.samples_per_class=3", "base.training.tuples=10", "base.training.epochs=2")
    settings = [word for text in small for word in ("--set", text)]
    rows = call("--fashion-mnist", tmp_path / "pictures", "--quick", "--processes", 1, *settings)
    planned = yaml.safe_load((literature.CONFIGS / "study_fashion_mnist.yaml").read_text(encoding="utf-8"))
    assert {row["setting"] for row in rows} == {variant["name"] for variant in planned["variants"]}
    assert all(row["reference"] is not None and row["seeds"] == 1 for row in rows)
    assert np.mean([row["measured"] for row in rows]) > 0.3
