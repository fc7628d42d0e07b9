"""Labelled frames in folds by group, on the tiny rendered runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kilnsense.classify.metrics import balanced_accuracy
from kilnsense.config import Config, StudyConfig, overlay
from kilnsense.errors import ConfigError, InputError
from kilnsense.metric.distances import DISTANCES
from kilnsense.study import frames
from kilnsense.study.branches import Compared, nearest_by_branches
from kilnsense.study.frames import prepare_frames
from kilnsense.study.outcome import Outcome
from kilnsense.study.prepared import Prepared
from kilnsense.training.history import Epoch
from kilnsense.types import Embeddings

QUICK = {"training.epochs": 2, "training.validation_share": 0.4, "image.width": 80}


def study(
    config: Config, *, judges: tuple[str, ...] = ("nearest", "knn"), parts: bool = True, **settings: object
) -> StudyConfig:
    base = overlay(config, {**QUICK, **settings}, origin="test")
    return StudyConfig(task="frames", base=base, judges=judges, parts=parts, folds=2, neighbours=3)


def run(plan: StudyConfig) -> Outcome:
    return prepare_frames(plan)(plan.base, None, None)


@pytest.fixture(scope="module")
def task(tiny_config: Config) -> Prepared:
    """Judges all parts; the frames stay looked at between the tests."""
    return prepare_frames(study(tiny_config))


@pytest.fixture(scope="module")
def outcome(task: Prepared, tiny_config: Config) -> Outcome:
    return task(study(tiny_config).base, None, None)


def test_every_judge_looks_at_all_parts_that_it_can(outcome: Outcome) -> None:
    assert [(score.features, score.judge) for score in outcome.scores] == [
        ("fused", "knn"),
        ("branches", "nearest"),
        ("branches", "knn"),
        ("region:material", "nearest"),
        ("region:material", "knn"),
        ("scale:1.0", "nearest"),
        ("scale:1.0", "knn"),
        ("descriptors", "knn"),
    ]
    for score in outcome.scores:
        assert list(score.values) == ["balanced_accuracy", "macro_f1"]
        assert all(0 <= value <= 1 for value in score.values.values())
    assert outcome.scores[0].values["balanced_accuracy"] > 0.45


def test_validation_is_that_of_the_networks_inside_the_folds(outcome: Outcome) -> None:
    assert len(outcome.histories) == 2
    inside = [history.best.accuracy for history in outcome.histories]
    assert outcome.validation == pytest.approx(np.mean(inside))
    assert outcome.images_per_second > 0


def test_the_plane_shows_the_first_fold(outcome: Outcome, tiny_config: Config) -> None:
    train, test = outcome.points
    assert len(train.xy) + len(test.xy) == 48
    assert len(set(test.labels)) > 1
    assert outcome.classes == tiny_config.classes


def test_the_same_seed_gives_the_same_outcome_and_another_another(
    task: Prepared, tiny_config: Config, outcome: Outcome
) -> None:
    again = run(study(tiny_config))
    assert again.scores == outcome.scores
    assert again.validation == outcome.validation
    np.testing.assert_array_equal(again.points[0].xy, outcome.points[0].xy)
    other = task(study(tiny_config, seed=4).base, None, None)
    assert other.histories[0].epochs[1].loss != outcome.histories[0].epochs[1].loss


def test_frames_are_read_once_and_looked_at_once_per_seed(
    tiny_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = {"read_labelled": 0, "learn_codebook": 0}
    for name in calls:

        def counted(
            *given: object, _name: str = name, _real: object = getattr(frames, name), **named: object
        ) -> object:
            calls[_name] += 1
            return _real(*given, **named)  # type: ignore[operator]

        monkeypatch.setattr(frames, name, counted)
    plan = study(tiny_config, **{"training.enabled": False})
    task = prepare_frames(plan)
    for settings in ({}, {"metric.margin": 0.3}, {"branches.dimensions": 4}):
        task(overlay(plan.base, settings, origin="test"), None, None)
    assert calls == {"read_labelled": 1, "learn_codebook": 2}


def test_no_group_is_on_both_sides_and_the_codebook_sees_training_frames_alone(
    tiny_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[set[str]] = []
    looked = []
    real_codebook, real_judge = frames.learn_codebook, frames._judge_fold

    def codebook(given, *rest, **named):  # type: ignore[no-untyped-def]
        learned.append({frame.source for frame in given})
        return real_codebook(given, *rest, **named)

    def judge(plan, config, data, fold, *rest):  # type: ignore[no-untyped-def]
        looked.append((data, fold))
        return real_judge(plan, config, data, fold, *rest)

    monkeypatch.setattr(frames, "learn_codebook", codebook)
    monkeypatch.setattr(frames, "_judge_fold", judge)
    run(study(tiny_config, **{"training.enabled": False}))
    assert len(looked) == 2
    for seen, (data, fold) in zip(learned, looked, strict=True):
        assert not set(data.groups[fold.train]) & set(data.groups[fold.test])
        assert seen == {data.frames[row].source for row in fold.train}
        assert not seen & {data.frames[row].source for row in fold.test}
    tested = np.concatenate([fold.test for _, fold in looked])
    assert sorted(tested) == list(range(48))


def test_without_networks_descriptors_alone_are_judged(task: Prepared, tiny_config: Config) -> None:
    found = task(study(tiny_config, **{"training.enabled": False}).base, None, None)
    assert [(score.features, score.judge) for score in found.scores] == [("descriptors", "knn")]
    assert (found.histories, found.points, found.images_per_second) == ((), (), 0.0)
    assert 0 < found.validation <= 1


def test_without_parts_only_the_whole_is_judged(tiny_config: Config) -> None:
    short = {"training.epochs": 1, "training.batches_per_epoch": 1}
    plan = study(tiny_config, parts=False, **short)
    task = prepare_frames(plan)
    found = task(plan.base, None, None)
    assert [(score.features, score.judge) for score in found.scores] == [
        ("fused", "knn"),
        ("branches", "nearest"),
    ]
    bare = task(overlay(plan.base, {"fusion.descriptors": False}, origin="test"), None, None)
    assert [(score.features, score.judge) for score in bare.scores] == [
        ("branches", "nearest"),
        ("branches", "knn"),
    ]
    colours = {"branches.head": "palette", "branches.colours": 2, "metric.distance": "ciede2000"}
    found = task(overlay(plan.base, colours, origin="test"), None, None)
    assert found.scores[1].values["balanced_accuracy"] > 0.3


def test_a_killed_trial_goes_on_from_its_checkpoints(
    task: Prepared, tiny_config: Config, tmp_path: Path, outcome: Outcome
) -> None:
    config, seen = study(tiny_config).base, []

    def stop(epoch: Epoch) -> None:
        seen.append(epoch.number)
        if len(seen) == 5:
            raise KeyboardInterrupt("stop")

    with pytest.raises(KeyboardInterrupt, match="stop"):
        task(config, tmp_path, stop)
    seen.clear()
    resumed = task(config, tmp_path, lambda epoch: seen.append(epoch.number))
    assert seen == [2]
    assert resumed.scores == outcome.scores


@pytest.mark.parametrize(
    ("settings", "judges", "message"),
    [
        ({"fusion.kind": "stack"}, ("svm",), r"fusion.kind: got 'stack', which learns from inner folds"),
        (
            {"training.enabled": False},
            ("nearest",),
            r"the only judge is nearest: nothing is left to judge by",
        ),
        ({"training.validation_share": 0.0}, ("svm",), r"validation_share: got 0, allowed: above 0"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_read(
    tiny_config: Config, settings: dict[str, object], judges: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        prepare_frames(study(tiny_config, judges=judges, **{"data.root": "nowhere", **settings}))


@pytest.mark.parametrize(
    ("groups", "folds", "message"),
    [
        ({}, 7, r"task frames: got folds 7 and frames of 6 groups, allowed: at most as many .* lower folds"),
        ({"under": 1, "normal": 3, "over": 3}, 2, r"folds: class 'under' is in 1 group \(g0\), needed: 2 or"),
        (
            {"under": 2, "normal": 2, "over": 2},
            2,
            "no fold can set groups aside for validation; every class needs",
        ),
    ],
)
def test_classes_in_too_few_groups_are_refused_before_any_trial(
    tiny_config: Config,
    monkeypatch: pytest.MonkeyPatch,
    groups: dict[str, int],
    folds: int,
    message: str,
) -> None:
    """The frames of a class are dealt to its first few groups; without groups they stay where they are."""
    real = frames.read_labelled

    def regrouped(*given, **named):  # type: ignore[no-untyped-def]
        data, failures = real(*given, **named)
        rows = [f"g{row % groups[name]}" for row, name in enumerate(data.names)] if groups else data.groups
        return replace(data, groups=np.array(rows)), failures

    monkeypatch.setattr(frames, "read_labelled", regrouped)
    plan = study(tiny_config, **{"data.held_out": ()}).model_copy(update={"folds": folds})
    with pytest.raises(InputError, match=message):
        prepare_frames(plan)


def _embeddings(seed: int) -> tuple[Embeddings, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(40) % 3
    values = (rng.normal(0, 1, (40, 3, 6)) + labels[:, None, None] * 0.7).astype(np.float32)
    present = rng.random((40, 3)) < 0.8
    present[7] = False
    values[~present] = 0
    return Embeddings(("a", "b", "c"), values, present), labels


@pytest.mark.parametrize("name", ["euclidean", "cie76"])
def test_nearest_by_branches_is_the_slow_loop(name: str) -> None:
    found, labels = _embeddings(0)
    distance, train, test = DISTANCES[name](), np.arange(28), np.arange(28, 40)
    said = nearest_by_branches(Compared(found, (distance,) * 3), labels, train, test, neighbours=3)
    for place, row in enumerate(test):
        apart = []
        for known in train:
            both = found.present[row] & found.present[known]
            steps = (found.values[row] - found.values[known]).astype(float)
            each = (
                np.linalg.norm(steps, axis=1)
                if name == "euclidean"
                else np.linalg.norm(steps.reshape(3, 2, 3), axis=2).mean(axis=1)
            )
            apart.append(each[both].mean() if both.any() else np.inf)
        near = labels[train][np.argsort(apart, kind="stable")[:3]]
        votes = np.bincount(near, minlength=3)
        assert said[place] == next(label for label in near if votes[label] == votes.max())


def test_one_branch_is_judged_by_itself() -> None:
    found, labels = _embeddings(1)
    whole, rows = Compared(found, tuple(DISTANCES["euclidean"]() for _ in range(3))), np.arange(40)
    alone = whole.only(1)
    assert (alone.embeddings.names, len(alone.distances)) == (("b",), 1)
    first = nearest_by_branches(alone, labels, rows[:28], rows[28:], neighbours=1)
    changed = found.values.copy()
    changed[:, [0, 2]] = 9
    other = Compared(Embeddings(found.names, changed, found.present), whole.distances).only(1)
    np.testing.assert_array_equal(
        nearest_by_branches(other, labels, rows[:28], rows[28:], neighbours=1), first
    )
    assert balanced_accuracy(labels[28:], first, classes=3) > 0.3
