"""Task `one_shot`: embeddings learned on some characters, judged by one picture each of other characters."""

from functools import cache
from pathlib import Path

import numpy as np
import torch

from kilnsense.config import Config, StudyConfig
from kilnsense.data.pictures import Pictures, read_characters
from kilnsense.errors import ConfigError, InputError
from kilnsense.metric.one_shot import OneShot, one_shot
from kilnsense.seeds import derive, generator
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
from kilnsense.study.outcome import Outcome, Points, Score
from kilnsense.study.plan import NEAREST
from kilnsense.study.points import to_plane
from kilnsense.study.prepared import Prepared, Progress, training_speed
from kilnsense.training.threads import limited_threads

TURNS = 4
"""Quarter turns of a character, itself among them (Santoro et al., ICML 2016: each is a class of its own)."""

SHOWN = 10
"""Upright characters of each part that are drawn in the plane."""


def prepare_one_shot(study: StudyConfig) -> Prepared:
    """Reads the characters of `base.data.root`, background and evaluation.

    A trial learns from the background characters without a share of whole characters, on which the epoch is
    chosen and the outcome's validation is measured. Its score are N-way one-shot trials on the evaluation
    characters, of which nothing was ever seen (Lake et al. 2011; Vinyals et al. 2016): one asked picture,
    one known picture of each of N characters, the nearest known one is the answer. All characters may meet,
    also those of different alphabets. The notes hold the ends of each score's 95 % interval (``20-way low``).
    Of `augment` only `shift` is read: training pictures are moved by up to that share of their side.

    Raises:
        ConfigError: the base does not fit the task.
        SourceError, InputError: see `read_characters`; too few evaluation characters, or a character with
            too few pictures.
    """
    check_view(study.base, task=study.task)
    if study.judges != (NEAREST,):
        raise ConfigError(f"task one_shot: judges: got {list(study.judges)}, allowed: [{NEAREST}]")
    background, evaluation = _read(study)
    turns = TURNS if study.one_shot.rotations else 1

    @cache
    def shown(size: int, colours: int, head: str) -> tuple[Shown, Rows, Shown]:
        first, second = (
            show(part, size=size, colours=colours, head=head) for part in (background, evaluation)
        )
        return *turned(first, background.labels, turns), second

    def run(config: Config, checkpoints: Path | None, progress: Progress | None) -> Outcome:
        check_view(config, task=study.task)
        if config.data != study.base.data:
            raise ConfigError("task one_shot: a trial changes data; set it in the base")
        check_counts(
            background.labels,
            background.classes,
            samples_needed(config),
            where="task one_shot: background characters",
            remedy="lower training.samples_per_class, add pictures of it, or leave the character out",
        )
        branches = config.branches
        known, characters, asked = shown(branches.size, branches.colours, branches.head)
        labels, split = split_characters(characters, config, turns=turns)
        with limited_threads(config.training.threads):
            learner = learn(
                config,
                known,
                labels,
                split,
                shift=config.augment.shift,
                checkpoints=checkpoints,
                progress=progress,
            )
            return _judge(study, config, learner, (known, labels, split), (asked, evaluation.labels))

    return run


def _read(study: StudyConfig) -> tuple[Pictures, Pictures]:
    """Background and evaluation characters, enough of them and of each."""
    background = read_characters(study.base.data.root, "background")
    evaluation = read_characters(study.base.data.root, "evaluation")
    if (most := max(study.one_shot.ways)) > len(evaluation.classes):
        raise InputError(
            f"task one_shot: {most}-way trials of {len(evaluation.classes)} evaluation characters; "
            "lower one_shot.ways"
        )
    for part, pictures in (("background", background), ("evaluation", evaluation)):
        check_counts(
            pictures.labels,
            pictures.classes,
            2,
            where=f"task one_shot: {part} characters",
            remedy="one is asked about and another known: add pictures of it, or leave the character out",
        )
    return background, evaluation


def turned(shown: Shown, labels: Rows, turns: int) -> tuple[Shown, Rows]:
    """The pictures in this many quarter turns, and their characters: `turns` in place of each."""
    images = [np.rot90(shown.images, turn, axes=(1, 2)) for turn in range(turns)]
    numbers = [labels * turns + turn for turn in range(turns)]
    return Shown(np.concatenate(images), np.tile(shown.palettes, (turns, 1, 1, 1))), np.concatenate(numbers)


def split_characters(labels: Rows, config: Config, *, turns: int = 1) -> tuple[Rows, tuple[Rows, Rows]]:
    """A share of whole characters for validation, `training.validation_share` of them, two or more.

    Args:
        labels: (N,) characters.
        config: the share and the seed.
        turns: how many characters in a row are one character turned; they stay on one side.

    Returns:
        The characters numbered anew, those that are learned first: a class layer has a row for each of
        these. And the rows to learn from and those of validation.

    Raises:
        InputError: fewer than two characters are left to learn.
    """
    characters = np.unique(labels // turns)
    held = max(2, round(config.training.validation_share * len(characters)))
    if len(characters) - held < 2:
        raise InputError(
            f"task one_shot: {len(characters)} background characters, {held} of them for validation; two or "
            "more must be left to learn: add characters, or lower training.validation_share"
        )
    order = generator(config.seed, "validation.characters").permutation(len(characters))
    number = np.empty(len(characters), np.int64)
    number[order] = np.arange(len(characters))
    renumbered = number[np.searchsorted(characters, labels // turns)] * turns + labels % turns
    learned = renumbered < (len(characters) - held) * turns
    return renumbered, (np.flatnonzero(learned), np.flatnonzero(~learned))


def _judge(
    study: StudyConfig,
    config: Config,
    learner: Learner,
    background: tuple[Shown, Rows, tuple[Rows, Rows]],
    evaluation: tuple[Shown, Rows],
) -> Outcome:
    shown, labels, (train, validation) = background
    asked, truth = learner.embed(evaluation[0]), evaluation[1]
    values: dict[str, float] = {}
    notes = {"best epoch": float(learner.result.best.number), "trials": float(study.one_shot.trials)}
    for ways in study.one_shot.ways:
        found = _one_shot(study, config, learner, (asked, truth), ways)
        values[f"{ways}-way"] = found.accuracy
        notes |= {f"{ways}-way low": found.low, f"{ways}-way high": found.high}
    held = (learner.embed(shown, validation), labels[validation])
    ways = min(max(study.one_shot.ways), len(np.unique(held[1])))
    turns = TURNS if study.one_shot.rotations else 1
    few = train[(labels[train] < SHOWN * turns) & (labels[train] % turns == 0)]  # upright ones
    points, classes = _points((learner.embed(shown, few), labels[few] // turns), (asked, truth), config)
    return Outcome(
        scores=(Score("embedding", NEAREST, values),),
        validation=_one_shot(study, config, learner, held, ways).accuracy,
        histories=(learner.result.history,),
        points=points,
        classes=classes,
        images_per_second=training_speed([learner.result.history]),
        notes=notes,
    )


def _one_shot(study: StudyConfig, config: Config, learner: Learner, samples: Embedded, ways: int) -> OneShot:
    rows, labels = samples
    return one_shot(
        learner.distance,
        learner.tensor(rows),
        torch.from_numpy(labels),
        ways=ways,
        trials=study.one_shot.trials,
        generator=torch.Generator().manual_seed(derive(config.seed, f"one_shot.{ways}")),
    )


def _points(train: Embedded, test: Embedded, config: Config) -> tuple[tuple[Points, Points], tuple[str, ...]]:
    """A few characters of each part, and what they are called: the parts have none in common."""
    few = test[1] < SHOWN
    names = [f"learned {number}" for number in np.unique(train[1])]
    shift = len(names)
    names += [f"new {number}" for number in np.unique(test[1][few])]
    both = to_plane(train, (test[0][few], test[1][few] + shift), rng=generator(config.seed, "points"))
    return both, tuple(names)
