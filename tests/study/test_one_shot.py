"""One-shot recognition of characters never trained on: stripes, one direction and width per character."""

import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.lib import format as npy

from kilnsense.config import Config, OneShotConfig, StudyConfig, overlay
from kilnsense.data.pictures import read_characters, resize
from kilnsense.errors import ConfigError, InputError
from kilnsense.study import one_shot as one_shot_task
from kilnsense.study.grey import Learner, Shown
from kilnsense.study.one_shot import prepare_one_shot, split_characters, turned
from kilnsense.study.outcome import Outcome


def characters(angles: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(C, 8, 24, 24) bool, True where the paper is, and labels (C, 8) that do not begin at 0."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:24, :24]
    waves = [
        [np.sin((x * np.cos(a) + y * np.sin(a)) * 2 * np.pi / 7 + rng.uniform(0, 7)) for _ in range(8)]
        for a in angles + rng.normal(0, 0.02, len(angles))
    ]
    return np.array(waves) < 0.6, np.repeat(5 + np.arange(len(angles))[:, None], 8, axis=1)


def write(root: Path, part: str, images: np.ndarray, labels: np.ndarray) -> None:
    with zipfile.ZipFile(root / f"images_{part}.npz", "w") as archive:
        for name, array in (("images", images), ("labels", labels)):
            data = BytesIO()
            npy.write_array(data, array, allow_pickle=False)
            archive.writestr(f"{name}.npy", data.getvalue())


LEARNED = np.arange(12) * np.pi / 12
NEW = LEARNED + np.pi / 24


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("characters")
    write(folder, "background", *characters(LEARNED, 0))
    write(folder, "evaluation", *characters(NEW, 1))
    return folder


def study(root: Path, **settings: object) -> StudyConfig:
    base = Config.model_validate(
        {
            "data": {"root": str(root)},
            "branches": {
                "views": ["scale:1.0"],
                "mode": "crop",
                "size": 16,
                "trunk": "conv4",
                "pool": "flat",
                "dimensions": 16,
            },
            "training": {
                "epochs": 3,
                "batches_per_epoch": 8,
                "samples_per_class": 4,
                "validation_share": 0.25,
            },
            "metric": {"miner": "all"},
            "augment": {"shift": 0},
        }
    )
    ways = OneShotConfig(ways=(2, 5), trials=200)
    return StudyConfig(task="one_shot", base=overlay(base, settings, origin="test"), one_shot=ways)


def run(plan: StudyConfig) -> Outcome:
    return prepare_one_shot(plan)(plan.base, None, None)


@pytest.fixture(scope="module")
def outcome(root: Path) -> Outcome:
    return run(study(root))


def test_new_characters_are_recognised_from_one_picture(outcome: Outcome) -> None:
    (score,) = outcome.scores
    assert list(score.values) == ["2-way", "5-way"]
    for ways in (2, 5):
        accuracy = score.values[f"{ways}-way"]
        low, high = (outcome.notes[f"{ways}-way {end}"] for end in ("low", "high"))
        assert low < accuracy <= high
        assert low > 1.5 / ways
    assert score.values["5-way"] <= score.values["2-way"]
    assert outcome.validation > 0.6


def test_points_are_of_characters_that_no_part_shares(outcome: Outcome) -> None:
    train, test = outcome.points
    assert set(train.labels) == set(range(9))
    assert set(test.labels) == set(range(9, 19))
    assert len(outcome.classes) == 19
    assert len(test.labels) == 80


def test_it_is_deterministic_and_moves_pictures_only_where_asked(root: Path, outcome: Outcome) -> None:
    again, moved = run(study(root)), run(study(root, **{"augment.shift": 0.1}))
    assert (again.scores, again.validation) == (outcome.scores, outcome.validation)
    losses = [[epoch.loss for epoch in found.histories[0].epochs] for found in (outcome, again, moved)]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_evaluation_characters_have_no_say_in_training(root: Path, tmp_path: Path, outcome: Outcome) -> None:
    write(tmp_path, "background", *characters(LEARNED, 0))
    noise = np.random.default_rng(0).random((12, 8, 24, 24)) < 0.5
    write(tmp_path, "evaluation", noise, characters(NEW, 1)[1])
    other = run(study(tmp_path))
    np.testing.assert_array_equal(other.points[0].xy, outcome.points[0].xy)
    assert other.validation == outcome.validation
    assert other.scores[0].values["5-way"] < 0.35


def test_whole_characters_are_set_aside_and_the_learned_ones_come_first(root: Path) -> None:
    labels = np.repeat([3, 8, 9, 20, 21, 30, 31, 40], 4)
    renumbered, (train, validation) = split_characters(labels, study(root).base)
    assert sorted(set(renumbered[train])) == list(range(6))
    assert sorted(set(renumbered[validation])) == [6, 7]
    assert not set(labels[train]) & set(labels[validation])
    for old in np.unique(labels):
        assert len(set(renumbered[labels == old])) == 1
    other, _ = split_characters(labels, overlay(study(root).base, {"seed": 1}, origin="test"))
    assert (other != renumbered).any()


def test_quarter_turns_are_characters_of_their_own_that_stay_on_one_side(root: Path) -> None:
    labels = np.repeat([3, 8, 9, 20, 21, 30, 31, 40], 4)
    images = np.random.default_rng(0).integers(0, 256, (32, 5, 5)).astype(np.uint8)
    shown, numbers = turned(Shown(images, np.zeros((32, 1, 0, 3), np.float32)), labels, 4)
    assert len(set(numbers)) == 32
    for row in range(32):
        same = numbers // 4 == labels[row]
        upright = shown.images[same & (numbers % 4 == 0)]
        assert (upright == images[row]).all(axis=(1, 2)).any()
        lying = shown.images[same & (numbers % 4 == 1)]
        assert (lying == np.rot90(images[row])).all(axis=(1, 2)).any()
    renumbered, (train, validation) = split_characters(numbers, study(root).base, turns=4)
    assert sorted(set(renumbered[train])) == list(range(24))
    assert sorted(set(renumbered[validation])) == list(range(24, 32))
    assert not set(numbers[train] // 4) & set(numbers[validation] // 4)


def test_rotations_are_learned_where_they_are_asked_for(root: Path) -> None:
    task = study(root).model_copy(update={"one_shot": OneShotConfig(ways=(2,), rotations=True)})
    rotated = prepare_one_shot(task)(task.base, None, None)
    assert rotated.scores[0].values["2-way"] > 0.6


def test_the_plane_shows_upright_characters_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With pixels for embeddings, so that what is shown can be found again among the pictures."""
    seen: list[np.ndarray] = []
    real = one_shot_task.to_plane

    def embed(learner: Learner, shown: Shown, rows: np.ndarray | None = None) -> np.ndarray:
        images = shown.images if rows is None else shown.images[rows]
        return images.reshape(len(images), -1).astype(np.float32)

    def to_plane(train, *rest, **named):  # type: ignore[no-untyped-def]
        seen.append(train)
        return real(train, *rest, **named)

    monkeypatch.setattr(Learner, "embed", embed)
    monkeypatch.setattr(one_shot_task, "to_plane", to_plane)
    brief = {"training.epochs": 1, "training.batches_per_epoch": 1, "metric.distance": "euclidean"}
    plan = study(root, **brief).model_copy(update={"one_shot": OneShotConfig(ways=(2,), rotations=True)})
    found = prepare_one_shot(plan)(plan.base, None, None)
    ((images, labels),) = seen
    assert sorted(set(labels)) == list(range(9))  # 12 characters, 3 for validation
    assert len(images) == 9 * 8
    background = read_characters(str(root), "background")
    upright = resize(background, 16).images.reshape(96, -1)
    of = [int(np.flatnonzero((upright == image).all(axis=1))[0]) for image in images]
    assert len(set(zip(labels, background.labels[of], strict=True))) == 9
    assert found.classes[:9] == tuple(f"learned {number}" for number in range(9))


def test_a_character_with_too_few_pictures_is_named(root: Path, tmp_path: Path) -> None:
    images, labels = characters(LEARNED, 0)
    flat, numbers = images.reshape(-1, 24, 24), labels.reshape(-1)
    write(tmp_path, "evaluation", *characters(NEW, 1))
    for left in (3, 1):
        rows = np.concatenate([np.flatnonzero(numbers != 11), np.flatnonzero(numbers == 11)[:left]])
        write(tmp_path, "background", flat[rows], numbers[rows])
        with pytest.raises(InputError, match=rf"background characters: class '11' has {left}, needed: [24] "):
            run(study(tmp_path))
        if left > 1:
            drawn = {"metric.loss": "contrastive", "metric.miner": "as_drawn", "training.tuples": 8}
            assert run(study(tmp_path, **drawn)).scores[0].values["2-way"] > 0.5
    write(tmp_path, "background", *characters(LEARNED, 0))
    write(tmp_path, "evaluation", flat[np.append(np.arange(88), 90)], numbers[np.append(np.arange(88), 90)])
    with pytest.raises(InputError, match=r"evaluation characters: class '16' has 1, needed: 2 .* leave the"):
        prepare_one_shot(study(tmp_path))


def test_a_class_layer_has_a_row_for_each_learned_character(root: Path) -> None:
    found = run(study(root, **{"metric.loss": "softmax"}))
    assert found.scores[0].values["2-way"] > 0.6


def test_what_does_not_fit_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match=r"13-way trials of 12 evaluation characters; lower one_shot.ways"):
        prepare_one_shot(study(root).model_copy(update={"one_shot": OneShotConfig(ways=(13,))}))
    with pytest.raises(ConfigError, match=r"judges: got \['svm'\], allowed: \[nearest\]"):
        prepare_one_shot(study(root).model_copy(update={"judges": ("svm",)}))
    with pytest.raises(ConfigError, match=r"task one_shot: branches.mode: got pooled"):
        prepare_one_shot(study(root, **{"branches.mode": "pooled", "branches.pool": "moments"}))
    with pytest.raises(InputError, match="3 background characters, 2 of them for validation"):
        split_characters(np.repeat([0, 1, 2], 4), study(root).base)
    trial = overlay(study(root).base, {"data.root": "elsewhere"}, origin="test")
    with pytest.raises(ConfigError, match="a trial changes data; set it in the base"):
        prepare_one_shot(study(root))(trial, None, None)
