"""Task `pictures`: embeddings learned on the training part of IDX files, judged on the test part."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from kilnsense.assemble import make_classifier
from kilnsense.classify.models import class_probabilities
from kilnsense.config import Config, StudyConfig
from kilnsense.data.pictures import Pictures, read_idx
from kilnsense.errors import ConfigError
from kilnsense.metric.neighbours import nearest
from kilnsense.seeds import generator
from kilnsense.study.grey import (
    Embedded,
    Learner,
    Rows,
    Shown,
    check_counts,
    check_view,
    learn,
    samples_needed,
    show,
)
from kilnsense.study.outcome import Outcome, Score
from kilnsense.study.plan import NEAREST
from kilnsense.study.points import to_plane
from kilnsense.study.prepared import Prepared, Progress, training_speed
from kilnsense.training.threads import limited_threads
from kilnsense.training.trial import with_classifier

MOST_KNOWN = 10_000
"""Neighbours by a colour difference are looked for among at most so many training pictures."""
MOST_FITTED = 5000
"""A classifier is fitted on at most so many training embeddings: some scale with their square."""


def prepare_pictures(study: StudyConfig) -> Prepared:
    """Reads the IDX files of `base.data.root`; their labels are named by `base.classes`.

    A trial learns from the training part without a share of each class, which chooses the epoch and gives
    the outcome's validation: the accuracy of the nearest, a little too good, as it had a say in the choice.
    Its scores are accuracies on the whole test part:
    of the nearest training embeddings by the distance that was trained for, of classifiers on the embeddings,
    and of the class layer (judge ``head``) where a loss over classes has learned one. Pictures are shown as
    they are: nothing is augmented.

    Raises:
        ConfigError: the base does not fit the task.
        SourceError, InputError: see `read_idx`; a class with too few pictures to learn from.
    """
    check_view(study.base, task=study.task)
    train = read_idx(study.base.data.root, "train", study.base.classes)
    test = read_idx(study.base.data.root, "t10k", study.base.classes)
    check_counts(
        train.labels,
        train.classes,
        3,
        where="task pictures: part train",
        remedy="one is for validation and two to learn from: add pictures, or leave the class out",
    )

    @cache
    def shown(size: int, colours: int, head: str) -> tuple[Shown, Shown]:
        return show(train, size=size, colours=colours, head=head), show(
            test, size=size, colours=colours, head=head
        )

    def run(config: Config, checkpoints: Path | None, progress: Progress | None) -> Outcome:
        check_view(config, task=study.task)
        if (config.data, config.classes) != (study.base.data, study.base.classes):
            raise ConfigError("task pictures: a trial changes data or classes; set them in the base")
        branches = config.branches
        known, asked = shown(branches.size, branches.colours, branches.head)
        with limited_threads(config.training.threads):
            split = split_pictures(train.labels, config)
            check_counts(
                train.labels[split[0]],
                train.classes,
                samples_needed(config),
                where="task pictures: part train, once validation has its share",
                remedy="lower training.samples_per_class or training.validation_share, or add pictures",
            )
            learner = learn(config, known, train.labels, split, checkpoints=checkpoints, progress=progress)
            return _judge(study, config, learner, (known, train), (asked, test), split)

    return run


def split_pictures(labels: Rows, config: Config) -> tuple[Rows, Rows]:
    """Rows to learn from and rows for validation, `training.validation_share` of every class."""
    rng = generator(config.seed, "validation.pictures")
    held = []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        held.append(members[: max(1, round(config.training.validation_share * len(members)))])
    validation = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(labels)), validation), validation


def _judge(
    study: StudyConfig,
    config: Config,
    learner: Learner,
    known: tuple[Shown, Pictures],
    asked: tuple[Shown, Pictures],
    split: tuple[Rows, Rows],
) -> Outcome:
    every, labels = learner.embed(known[0]), known[1].labels
    train, validation = ((every[rows], labels[rows]) for rows in split)
    test = (learner.embed(asked[0]), asked[1].labels)
    few = _drawn(train, MOST_KNOWN, config) if learner.distance.takes == "palette" else train
    scores, notes = [], {"best epoch": float(learner.result.best.number)}
    for judge, said, fitted in _answers(study, config, learner, train, few, test[0]):
        scores.append(Score("embedding", judge, {"accuracy": _accuracy(said, test[1])}))
        notes[f"{judge}: training samples"] = float(fitted)
    said = _nearest(learner, few, validation[0], study.neighbours)
    return Outcome(
        scores=tuple(scores),
        validation=_accuracy(said, validation[1]),
        histories=(learner.result.history,),
        points=to_plane(train, test, rng=generator(config.seed, "points")),
        classes=known[1].classes,
        images_per_second=training_speed([learner.result.history]),
        notes=notes,
    )


def _answers(
    study: StudyConfig,
    config: Config,
    learner: Learner,
    train: Embedded,
    few: Embedded,
    asked: NDArray[np.float32],
) -> Iterator[tuple[str, Rows, int]]:
    """Each judge, the class it names for each of the test embeddings, and from how many samples it knows."""
    classes = len(config.classes)
    fitted = _drawn(train, MOST_FITTED, config)
    for judge in study.judges:
        if judge == NEAREST:
            yield judge, _nearest(learner, few, asked, study.neighbours), len(few[1])
            continue
        model = make_classifier(with_classifier(config, judge))().fit(*fitted)
        said = class_probabilities(model, asked, classes=classes).argmax(axis=1)
        yield judge, said.astype(np.int64), len(fitted[1])
    if learner.objective.loss.over == "classes":
        layer = learner.result.learned[0]
        logits = torch.nn.functional.linear(torch.from_numpy(asked), layer["weights"], layer["bias"])
        yield "head", logits.argmax(dim=1).numpy(), len(train[1])


def _nearest(learner: Learner, known: Embedded, asked: NDArray[np.float32], neighbours: int) -> Rows:
    labels = torch.from_numpy(known[1])
    asked_rows, known_rows = learner.tensor(asked), learner.tensor(known[0])
    said: Rows = nearest(learner.distance, asked_rows, known_rows, labels, neighbours=neighbours).numpy()
    return said


def _drawn(samples: Embedded, most: int, config: Config) -> Embedded:
    rows, labels = samples
    if len(rows) <= most:
        return samples
    chosen = np.sort(generator(config.seed, f"drawn.{most}").choice(len(rows), most, replace=False))
    return rows[chosen], labels[chosen]


def _accuracy(said: Rows, truth: Sequence[int] | Rows) -> float:
    return float(np.mean(said == truth))
