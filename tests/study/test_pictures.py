"""Embeddings of pictures with a test part: striped tiles in IDX files written here."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kilnsense.config import Config, StudyConfig, overlay
from kilnsense.errors import ConfigError, InputError, SourceError
from kilnsense.study.outcome import Outcome
from kilnsense.study.pictures import MOST_FITTED, prepare_pictures, split_pictures
from kilnsense.training.history import Epoch

NAMES = ("flat", "rising", "upright")


def tiles(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Stripes of 16 x 16 pixels; their direction tells the class, phase and contrast do not."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:16, :16]
    labels = np.arange(count) % 3
    images = []
    for label in labels:
        wave = np.sin((y, x + y, x)[label] * 2 * np.pi / 6 + rng.uniform(0, 2 * np.pi))
        images.append(128 + wave * rng.uniform(40, 90) + rng.normal(0, 10, (16, 16)))
    return np.clip(images, 0, 255).astype(np.uint8), labels.astype(np.uint8)


def write(root: Path, part: str, images: np.ndarray, labels: np.ndarray) -> None:
    for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
        head = struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape)
        (root / name).write_bytes(head + array.tobytes())


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("idx")
    write(folder, "train", *tiles(120, 0))
    write(folder, "t10k", *tiles(45, 1))
    return folder


BASE = {
    "classes": NAMES,
    "branches": {
        "views": ["scale:1.0"],
        "mode": "crop",
        "size": 16,
        "trunk": "conv2",
        "pool": "flat",
        "dimensions": 2,
        "normalise": False,
    },
    "metric": {"margin": 1.0},
    "training": {
        "epochs": 3,
        "batches_per_epoch": 6,
        "warmup_epochs": 0,
        "optimizer": "adam",
        "validation_share": 0.2,
        "threads": 1,
    },
}


def study(root: Path, **settings: object) -> StudyConfig:
    base = Config.model_validate({**BASE, "data": {"root": str(root)}})
    return StudyConfig(
        task="pictures", base=overlay(base, settings, origin="test"), judges=("nearest", "lda")
    )


def run(
    plan: StudyConfig, checkpoints: Path | None = None, progress: Callable[[Epoch], None] | None = None
) -> Outcome:
    return prepare_pictures(plan)(plan.base, checkpoints, progress)


@pytest.fixture(scope="module")
def outcome(root: Path) -> Outcome:
    return run(study(root))


def test_stripes_are_told_apart_and_judged_on_the_test_part(outcome: Outcome) -> None:
    assert [(score.features, score.judge) for score in outcome.scores] == [
        ("embedding", "nearest"),
        ("embedding", "lda"),
    ]
    for score in outcome.scores:
        (accuracy,) = score.values.values()
        assert accuracy > 0.85
        assert round(accuracy * 45, 6) == round(accuracy * 45)
    assert 0.8 < outcome.validation <= 1
    assert round(outcome.validation * 24, 6) == round(outcome.validation * 24)
    (history,) = outcome.histories
    assert len(history.epochs) == 4
    assert outcome.images_per_second > 0


def test_the_plane_holds_what_was_learned_and_the_test_part(outcome: Outcome) -> None:
    train, test = outcome.points
    assert (train.part, test.part, len(train.xy), len(test.xy)) == ("train", "test", 96, 45)
    assert outcome.classes == NAMES
    assert test.labels.tolist() == (np.arange(45) % 3).tolist()


def test_the_same_seed_gives_the_same_outcome_and_another_another(root: Path, outcome: Outcome) -> None:
    again, other = run(study(root)), run(study(root, seed=1))
    np.testing.assert_array_equal(again.points[1].xy, outcome.points[1].xy)
    assert (again.scores, again.validation) == (outcome.scores, outcome.validation)
    assert not np.allclose(other.points[1].xy, outcome.points[1].xy)


def test_the_test_part_has_no_say_in_training(root: Path, tmp_path: Path, outcome: Outcome) -> None:
    write(tmp_path, "train", *tiles(120, 0))
    noise = np.random.default_rng(5).integers(0, 256, (45, 16, 16)).astype(np.uint8)
    write(tmp_path, "t10k", noise, tiles(45, 1)[1])
    other = run(study(tmp_path))
    np.testing.assert_array_equal(other.points[0].xy, outcome.points[0].xy)
    assert other.validation == outcome.validation
    assert [e.loss for e in other.histories[0].epochs] == [e.loss for e in outcome.histories[0].epochs]
    assert other.scores[0].values["accuracy"] < 0.7


def test_validation_takes_its_share_of_every_class(root: Path) -> None:
    labels = np.array([0] * 10 + [1] * 30 + [2] * 1)
    train, validation = split_pictures(np.concatenate([labels, labels]), study(root).base)
    assert np.bincount(np.concatenate([labels, labels])[validation]).tolist() == [4, 12, 1]
    assert sorted([*train, *validation]) == list(range(82))


def test_a_class_layer_is_a_judge_of_its_own(root: Path) -> None:
    found = run(study(root, **{"metric.loss": "softmax"}))
    assert [score.judge for score in found.scores] == ["nearest", "lda", "head"]
    assert found.scores[2].values["accuracy"] > 0.8
    assert found.notes["head: training samples"] == 96 < MOST_FITTED


@pytest.mark.parametrize(
    "settings",
    [
        {"metric.loss": "contrastive", "metric.miner": "hard_negative"},
        {"metric.loss": "weighted_l1_bce", "metric.miner": "all", "branches.dimensions": 8},
        {"metric.loss": "contrastive", "metric.miner": "as_drawn", "training.tuples": 16},
        {
            "branches.head": "palette",
            "branches.colours": 2,
            "metric.distance": "cie76",
            "branches.normalise": True,
            "metric.margin": 8.0,
        },
    ],
    ids=["pairs", "learned distance", "drawn pairs", "colours"],
)
def test_other_losses_and_heads_learn_too(root: Path, settings: dict[str, object]) -> None:
    found = run(study(root, **settings))
    assert found.scores[0].values["accuracy"] > 0.8
    assert found.histories[0].epochs[-1].loss > 0


def test_a_killed_trial_goes_on_from_its_checkpoint(root: Path, tmp_path: Path, outcome: Outcome) -> None:
    def stop(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise KeyboardInterrupt("stop")

    with pytest.raises(KeyboardInterrupt, match="stop"):
        run(study(root), tmp_path, stop)
    seen: list[int] = []
    resumed = run(study(root), tmp_path, lambda epoch: seen.append(epoch.number))
    assert seen == [3]
    np.testing.assert_array_equal(resumed.points[1].xy, outcome.points[1].xy)
    assert resumed.scores == outcome.scores


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"branches.views": ("scale:0.5",)},
            r"branches.views: got \['scale:0.5'\], allowed: \['scale:1.0'\]",
        ),
        ({"branches.mode": "pooled", "branches.pool": "moments"}, "branches.mode: got pooled, allowed: crop"),
        ({"training.enabled": False}, "training.enabled: got False, allowed: True"),
        ({"training.validation_share": 0.0}, "training.validation_share: got 0, allowed: above 0"),
    ],
)
def test_a_base_that_does_not_fit_is_refused_before_anything_is_read(
    tmp_path: Path, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        prepare_pictures(study(tmp_path / "nowhere", **settings))


def test_a_class_that_could_not_be_learned_is_named(root: Path, tmp_path: Path) -> None:
    images, labels = tiles(120, 0)
    write(tmp_path, "t10k", *tiles(45, 1))
    for left, needed in ((0, 3), (1, 3), (2, 3), (5, 8)):  # 8 in a batch; of 5 one goes to validation
        rows = np.concatenate([np.flatnonzero(labels != 1), np.flatnonzero(labels == 1)[:left]])
        write(tmp_path, "train", images[rows], labels[rows])
        kept = 4 if left == 5 else left
        with pytest.raises(InputError, match=f"part train.* class 'rising' has {kept}, needed: {needed} "):
            run(study(tmp_path))
    few = {"training.samples_per_class": 4, "training.epochs": 1, "training.batches_per_epoch": 1}
    assert run(study(tmp_path, **few)).histories[0].epochs


def test_data_that_do_not_fit_are_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds neither train-images-idx3-ubyte"):
        prepare_pictures(study(tmp_path))
    with pytest.raises(InputError, match=r"got labels 0\.\.2 for 2 classes"):
        prepare_pictures(study(root, classes=("a", "b")))
    trial = overlay(study(root).base, {"data.root": str(tmp_path)}, origin="test")
    with pytest.raises(ConfigError, match="a trial changes data or classes; set them in the base"):
        prepare_pictures(study(root))(trial, None, None)
