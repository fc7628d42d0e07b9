"""A comparison on the tiny rendered runs, and one that was made up to be known in every number."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from kilnsense.compare.entrants import BASELINES, Said
from kilnsense.compare.frames import Compared, LeftOut
from kilnsense.compare.leak import Leak
from kilnsense.compare.plan import plan_folds
from kilnsense.compare.result import FoldResult, Points
from kilnsense.compare.run import Outcome, gather, run_comparison
from kilnsense.compare.work import Places, prepare
from kilnsense.config import CompareConfig, Config
from kilnsense.data.grouping import Grouping
from kilnsense.data.labelled import Labelled
from kilnsense.types import Frame, Quality

CLASSES = ("under", "normal", "over")
GROUPS, FRAMES, FOLDS = 18, 6, 6


@pytest.fixture(scope="session")
def tiny_settings(tiny_config: Config) -> CompareConfig:
    """Three folds of the six tiny runs; quick classifiers on the descriptors alone."""
    training = tiny_config.training.model_copy(update={"enabled": False})
    data = tiny_config.data.model_copy(update={"held_out": ()})
    base = tiny_config.model_copy(update={"training": training, "data": data})
    return CompareConfig(base=base, classifiers=("svm", "lda"), folds=3, repeats=1)


@pytest.fixture(scope="session")
def tiny_run(
    tiny_settings: CompareConfig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Places, Outcome]:
    """Where it lies, and what came of it."""
    folder = tmp_path_factory.mktemp("compare")
    places = Places(folder / "run", folder / "cache", None)
    return places, run_comparison(prepare(tiny_settings, places), processes=1)


Make = Callable[..., Outcome]


@pytest.fixture
def make_outcome() -> Make:
    """An outcome of entrants that are right with the given probability, without any picture that matters."""

    def make(skill: Mapping[str, float], *, sure: bool = True, left_out: tuple[LeftOut, ...] = ()) -> Outcome:
        rng = np.random.default_rng(0)
        labels = np.repeat(np.arange(GROUPS) % 3, FRAMES)
        groups = np.repeat([f"run{number:02d}" for number in range(GROUPS)], FRAMES)
        frames = tuple(
            Frame(
                rng.integers(0, 255, (24, 32, 3), dtype=np.uint8),
                source=f"{group}/{row}.png",
                sha256=f"{row:064x}",
            )
            for row, group in enumerate(groups.tolist())
        )
        quality = Quality(luminance=0.2, bright=200, saturated=0.0, sharpness=50, haze=0.1)
        way, words = ("given", "camera runs") if sure else ("names", "stretches of consecutive file names")
        compared = Compared(
            data=Labelled(CLASSES, frames, labels, groups),
            qualities=(quality,) * len(frames),
            grouping=Grouping(way, groups, np.zeros(0), 0.0, words, 0 if sure else len(labels)),
            left_out=left_out,
            merged=(),
            fingerprint="f" * 64,
        )
        names = tuple(name for name in skill if name not in BASELINES)
        settings = CompareConfig(base=Config(classes=CLASSES), classifiers=names, folds=FOLDS, repeats=2)
        folds = plan_folds(settings, compared)
        known = {**skill, **{name: 0.34 for name in BASELINES if name not in skill}}
        results = []
        for fold in folds:
            said = {}
            for name, share in known.items():
                truth = labels[fold.test]
                right = rng.random(len(truth)) < share
                call = np.where(right, truth, (truth + rng.integers(1, 3, len(truth))) % 3)
                table = np.full((len(truth), 3), 0.1)
                table[np.arange(len(truth)), call] = 0.8
                reasons = tuple(np.where(rng.random(len(truth)) < 0.8, "accepted", "low_confidence").tolist())
                said[name] = Said(table, reasons, 0.5, 0.1, 1000, {"c": 2.0} if name == "svm" else {})
            points = Points(
                rng.normal(size=(6, 2)), np.arange(6) % 3, np.arange(6) > 3, (0.5, 0.2), "embeddings"
            )
            results.append(FoldResult(said, 3.0, False, points))
        return gather(settings, compared, folds, results, Leak(0.6, 0.9))

    return make


@pytest.fixture
def labelled_folder(tmp_path: Path, tiny_root: Path) -> Callable[[str], Path]:
    """Copies the tiny frames with a manifest of these lines."""

    def make(text: str) -> Path:
        root = tmp_path / "data"
        root.mkdir()
        for path in sorted(tiny_root.glob("run*/*.*")):
            (root / f"{path.parent.name}_{path.name}").write_bytes(path.read_bytes())
        (root / "manifest.csv").write_text(text, encoding="utf-8")
        return root

    return make
