"""The folds of a comparison: repeated, stratified, of whole groups, the same for every classifier."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilnsense.compare.frames import Compared
from kilnsense.config import CompareConfig
from kilnsense.data.labelled import Labelled
from kilnsense.data.splits import grouped_folds, usable_folds
from kilnsense.errors import ConfigError, InputError
from kilnsense.seeds import generator

Indices = NDArray[np.intp]
MOST_REPEATS = 100


@dataclass(frozen=True, eq=False)
class Fold:
    """One fold.

    Attributes:
        repeat, number: which, from 0.
        train: rows to learn from: no bad pictures, and none that an embargo takes away.
        test: rows of the other groups.
        missing: classes that no test frame has.
    """

    repeat: int
    number: int
    train: Indices
    test: Indices
    missing: tuple[str, ...]

    @property
    def name(self) -> str:
        """Such as ``repeat1-fold3``."""
        return f"repeat{self.repeat + 1}-fold{self.number + 1}"


def parse_cv(text: str) -> tuple[int, int]:
    """(folds, repeats) of a text such as 5x2, five folds dealt twice; 5 alone is dealt once.

    Raises:
        ConfigError: another text.
    """
    found = re.fullmatch(r"(\d+)(?:x(\d+))?", text.strip().lower())
    folds, repeats = (int(found[1]), int(found[2] or 1)) if found else (0, 0)
    if folds < 2 or not 1 <= repeats <= MOST_REPEATS:
        raise ConfigError(
            f"--cv: got {text!r}, allowed: FOLDSxREPEATS with 2 folds or more, dealt up to "
            f"{MOST_REPEATS} times, such as 5x2: five folds, twice"
        )
    return folds, repeats


def plan_folds(settings: CompareConfig, compared: Compared) -> tuple[Fold, ...]:
    """All folds of all repeats; what could not be judged is said here, before anything is trained.

    Raises:
        InputError: fewer groups than folds, a class in too few groups, or an embargo that takes too much.
    """
    data, grouping = compared.data, compared.grouping
    names, groups = data.names, data.groups
    good = np.array([quality.usable for quality in compared.qualities])
    count = len(set(groups.tolist()))
    if settings.folds > count:
        fewer = f"take --cv {count}x{settings.repeats}, or add" if count > 1 else "add"
        raise InputError(
            f"--cv {settings.folds}x{settings.repeats}: got {settings.folds} folds for {count} "
            f"group{'' if count == 1 else 's'} ({grouping.words}), allowed: at most as many folds as groups; "
            f"{fewer} groups"
        )
    folds = []
    for repeat in range(settings.repeats):
        chance = generator(settings.base.seed, f"compare.{repeat}")
        dealt = grouped_folds(names.tolist(), groups.tolist(), folds=settings.folds, rng=chance)
        for number, (train, test) in enumerate(dealt):
            there = set(names[test].tolist())
            missing = tuple(name for name in data.classes if name not in there)
            folds.append(Fold(repeat, number, grouping.purged(train[good[train]], test), test, missing))
    for fold in folds:
        _expect_trainable(fold, data)
    return tuple(folds)


def test_share(folds: Sequence[Fold]) -> float:
    """n_test / n_train in frames, the mean over the folds."""
    return float(np.mean([len(fold.test) / len(fold.train) for fold in folds]))


def _expect_trainable(fold: Fold, data: Labelled) -> None:
    """Calibration and thresholds need groups of every class to leave out once more within the fold."""
    names, groups = data.names[fold.train], data.groups[fold.train]
    for name in data.classes:
        if (left := len(set(groups[names == name].tolist()))) < 2:
            raise InputError(
                f"{fold.name}: class {name!r} is in {left} group{'' if left == 1 else 's'} to learn from, "
                f"needed: 2 or more, because calibration leaves groups out once more; label frames of it "
                f"from another run, or name finer groups"
            )
    assert usable_folds(names.tolist(), groups.tolist(), 2)  # follows from the above
