"""Task `frames`: labelled frames in folds by group; networks, fused rows and their parts on unseen groups."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilnsense.assemble import build_objective
from kilnsense.classify.metrics import balanced_accuracy, macro_f1
from kilnsense.config import BranchConfig, Config, StudyConfig
from kilnsense.data.folders import read_samples
from kilnsense.data.labelled import Labelled, read_labelled
from kilnsense.data.splits import grouped_folds, usable_folds
from kilnsense.errors import ConfigError, InputError
from kilnsense.features.fuse import NEEDS_EVIDENCE
from kilnsense.image.quality import assess
from kilnsense.recogniser import Sight, embed, judged_mask, look
from kilnsense.seeds import generator
from kilnsense.segment.codebook import learn_codebook
from kilnsense.study.branches import Compared, nearest_by_branches
from kilnsense.study.kinds import BARE, classify, kinds
from kilnsense.study.outcome import Outcome, Points, Score
from kilnsense.study.plan import NEAREST
from kilnsense.study.points import to_plane
from kilnsense.study.prepared import Prepared, Progress, training_speed
from kilnsense.training.history import History
from kilnsense.training.network import split_rows, train_network
from kilnsense.training.threads import limited_threads
from kilnsense.training.unseen import Answers, pool_folds

_KEPT_LOOKS = 6
"""So many seeds, or ways to segment, stay in memory, each with a label map of every frame in every fold."""

_NOTHING_HELD = (
    "task frames: no fold can set groups aside for validation; every class needs usable frames in three "
    "groups or more: add groups, or name finer ones"
)

Rows = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Looked:
    """One fold: frames seen through the colours of its training part.

    Attributes:
        train: usable rows of the groups to learn from.
        test: rows of the other groups, usable or not.
        sights: all N frames, looked at with a codebook of the training rows.
    """

    train: Rows
    test: Rows
    sights: tuple[Sight, ...]


@dataclass(frozen=True, eq=False)
class Judged:
    """What came of one fold.

    Attributes:
        answers: of its test rows, one per features and judge.
        validation: balanced accuracy on groups set aside within the training part; None where none could be.
        history: of its network; None without one.
        points: training and test embeddings; empty without a network.
    """

    answers: tuple[Answers, ...]
    validation: float | None
    history: History | None
    points: tuple[Points, ...]


def prepare_frames(study: StudyConfig) -> Prepared:
    """Reads the labelled frames of `base.data`; they stay in memory, and so does what is seen of them.

    A trial deals the groups into `folds`. In each the codebook and a network are learned on the training
    groups and the rest is judged: by the nearest training frames under the distance that was trained for
    (mean over the branches), and by classifiers on the fused rows; with `parts` also on every branch, the
    branches and the descriptors alone. Answers are pooled over the folds: balanced accuracy and macro F1.
    With `training.enabled` false descriptors alone are judged. Frames of bad quality are judged, not learned.

    The outcome's validation is the networks' accuracy on groups set aside within the training groups. Trials
    may be compared by it; as a score it is too good: it is that of the best epoch, on at most some hundred
    frames that chose this epoch, and the codebook has seen these frames, without their labels.

    Raises:
        ConfigError: the base does not fit the task.
        SourceError, InputError: see `read_samples` and `read_labelled`; a class that lies in too few groups.
    """

    @lru_cache(maxsize=1)
    def read(part: str) -> tuple[Labelled, int]:
        config = Config.model_validate_json(part)
        data, failures = read_labelled(read_samples(config.data, config.classes), config)
        return data, len(failures)

    @lru_cache(maxsize=_KEPT_LOOKS)
    def looked(part: str) -> tuple[Looked, ...]:
        config = Config.model_validate_json(part)
        return tuple(_look_folds(config, read(_data_part(config))[0], study.folds))

    def run(config: Config, checkpoints: Path | None, progress: Progress | None) -> Outcome:
        _check(study, config)
        data, unreadable = read(_data_part(config))
        with limited_threads(config.training.threads):
            folds = [
                _judge_fold(study, config, data, fold, f"fold{number}", checkpoints, progress)
                for number, fold in enumerate(looked(_sight_part(config)), start=1)
            ]
        return _pooled(config, folds, {"unreadable files": float(unreadable)})

    _check(study, study.base)
    _check_groups(study, read(_data_part(study.base))[0])
    return run


def _check(study: StudyConfig, config: Config) -> None:
    """What this task cannot do, said before anything is trained."""
    if config.fusion.kind in NEEDS_EVIDENCE:
        raise ConfigError(
            f"task frames: fusion.kind: got {config.fusion.kind!r}, which learns from inner folds; a study "
            "trains one network per fold: take another fusion"
        )
    if not config.training.enabled and set(study.judges) == {NEAREST}:
        raise ConfigError(
            f"task frames: training.enabled is false and the only judge is {NEAREST}: nothing is left to "
            "judge by; add a classifier to judges"
        )
    if not config.training.validation_share:
        raise ConfigError(
            "task frames: training.validation_share: got 0, allowed: above 0; a study compares networks by "
            "groups that are neither trained on nor reported"
        )


def _check_groups(study: StudyConfig, data: Labelled) -> None:
    """What no trial could deal into folds, or validate, said before any of them. Raises InputError."""
    names, groups = data.names, data.groups
    if study.folds > len(set(groups)):
        raise InputError(
            f"task frames: got folds {study.folds} and frames of {len(set(groups))} groups, allowed: at most "
            "as many folds as groups; lower folds, or add groups"
        )
    for seed in study.seeds:
        dealt = grouped_folds(
            names.tolist(), groups.tolist(), folds=study.folds, rng=generator(seed, "folds")
        )
        if not any(usable_folds(names[train].tolist(), groups[train].tolist(), 2) for train, _ in dealt):
            raise InputError(_NOTHING_HELD)


def _data_part(config: Config) -> str:
    """What the frames in memory depend on, as a config of its own."""
    plain = BranchConfig(views=("scale:1.0",))
    return Config(
        classes=config.classes, data=config.data, image=config.image, branches=plain
    ).model_dump_json()


def _sight_part(config: Config) -> str:
    """What the folds, and what is seen of the frames in them, depend on."""
    values = {
        name: getattr(config, name) for name in ("classes", "seed", "data", "image", "quality", "segment")
    }
    return Config(**values, branches=BranchConfig(views=("scale:1.0",))).model_dump_json()


def _look_folds(config: Config, data: Labelled, folds: int) -> Iterator[Looked]:
    names, groups = data.names.tolist(), data.groups.tolist()
    masks = [judged_mask(frame, config) for frame in data.frames]
    good = np.array(
        [
            not assess(frame, config.quality, mask=mask).flags
            for frame, mask in zip(data.frames, masks, strict=True)
        ]
    )
    for train, test in grouped_folds(names, groups, folds=folds, rng=generator(config.seed, "folds")):
        train = train[good[train]]
        if not len(train):
            raise InputError("task frames: no frame to learn from is of good quality; see `quality`")
        codebook = learn_codebook(
            [data.frames[row] for row in train],
            config.segment,
            mask_of=lambda frame: judged_mask(frame, config),
            rng=generator(config.seed, "codebook"),
        )
        yield Looked(train, test, tuple(look(frame, codebook, config) for frame in data.frames))


def _judge_fold(
    study: StudyConfig,
    config: Config,
    data: Labelled,
    fold: Looked,
    part: str,
    checkpoints: Path | None,
    progress: Progress | None,
) -> Judged:
    """Trains on one fold and judges its test rows."""
    inner = split_rows(config, data, fold.train, part=part)
    if not config.training.enabled:
        answers = tuple(_answers(study, config, data, fold, None))
        return Judged(answers, _bare_validation(study, config, data, fold, inner), None, ())
    network = train_network(
        config, fold.sights, data, fold.train, part=part, checkpoints=checkpoints, progress=progress
    )
    embeddings = embed(fold.sights, network.encode, config)
    assert embeddings is not None  # there is a network
    objective, learned = build_objective(config.metric), network.result.learned
    distances = [objective.compare(learned, branch) for branch in range(len(embeddings.names))]
    compared = Compared(embeddings, tuple(distances))
    flat = embeddings.values.reshape(len(data), -1)
    points = to_plane(
        (flat[fold.train], data.labels[fold.train]),
        (flat[fold.test], data.labels[fold.test]),
        rng=generator(config.seed, f"points.{part}"),
    )
    return Judged(
        answers=tuple(_answers(study, config, data, fold, compared)),
        validation=network.result.best.accuracy if len(inner[1]) else None,
        history=network.result.history,
        points=points,
    )


def _answers(
    study: StudyConfig, config: Config, data: Labelled, fold: Looked, compared: Compared | None
) -> Iterator[Answers]:
    """Every judge on every kind of features that it can look at."""
    named = np.full(len(fold.test), "accepted")
    for kind in kinds(study, config, compared):
        for judge in kind.judges:
            if judge == NEAREST and kind.compared is not None:
                said = nearest_by_branches(
                    kind.compared, data.labels, fold.train, fold.test, neighbours=study.neighbours
                )
            else:
                said = classify(config, judge, kind, fold.sights, data.labels, fold.train, fold.test)
            yield Answers(judge, kind.name, False, "unseen groups", data.labels[fold.test], said, named)


def _bare_validation(
    study: StudyConfig, config: Config, data: Labelled, fold: Looked, inner: tuple[Rows, Rows]
) -> float | None:
    """Of the first classifier on descriptors, within the training groups."""
    train, held = inner
    if not len(held):
        return None
    judge = next(judge for judge in study.judges if judge != NEAREST)
    said = classify(config, judge, BARE, fold.sights, data.labels, train, held)
    return balanced_accuracy(data.labels[held], said, classes=len(config.classes))


def _pooled(config: Config, folds: Sequence[Judged], notes: dict[str, float]) -> Outcome:
    """The outcome of a trial from that of its folds."""
    classes = len(config.classes)
    scores = []
    for same in zip(*(fold.answers for fold in folds), strict=True):
        said = pool_folds(same)
        values = {
            "balanced_accuracy": balanced_accuracy(said.truth, said.predicted, classes=classes),
            "macro_f1": macro_f1(said.truth, said.predicted, classes=classes),
        }
        scores.append(Score(said.features, said.classifier, values))
    held = [fold.validation for fold in folds if fold.validation is not None]
    if not held:
        raise InputError(_NOTHING_HELD)
    histories = [fold.history for fold in folds if fold.history is not None]
    return Outcome(
        scores=tuple(scores),
        validation=float(np.mean(held)),
        histories=tuple(histories),
        points=folds[0].points,
        classes=config.classes if folds[0].points else (),
        images_per_second=training_speed(histories),
        notes=notes,
    )
