"""Whole models and baselines on frames of unseen groups: in folds of one set, or on sets of their own."""

import multiprocessing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kilnsense.config import Config
from kilnsense.data.labelled import Labelled
from kilnsense.data.splits import check_disjoint, grouped_folds
from kilnsense.errors import InputError
from kilnsense.recogniser import Sight
from kilnsense.seeds import generator
from kilnsense.training.evaluate import evaluate, measure
from kilnsense.training.learn import Trained, fit_model, train_networks
from kilnsense.training.trial import judge_baselines, look_all, with_classifier

COMPARED = ("knn", "svm", "mlp", "lda")
"""Classifiers that are compared unless told otherwise."""
FUSED, BRANCHES, DESCRIPTORS = "branches and descriptors", "branches alone", "descriptors alone"


@dataclass(frozen=True, eq=False)
class Answers:
    """What one way to judge said of N frames that it had not seen.

    Attributes:
        classifier: name in CLASSIFIERS.
        features: what it looked at.
        baseline: True for what a model must beat; it names a state for every frame.
        test: the set that the frames are of.
        truth, predicted: (N,) class indices.
        reasons: (N,) str, of the verdicts.
    """

    classifier: str
    features: str
    baseline: bool
    test: str
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    reasons: NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Split:
    """One training set, the sets to judge after it, and what to compare; a job for one process.

    Attributes:
        config: the model.
        train: labelled frames to learn from.
        tests: name of a set to labelled frames of other groups.
        classifiers: names in CLASSIFIERS, each on the same trained networks.
        baselines: also the baselines, and branches and descriptors alone.
    """

    config: Config
    train: Labelled
    tests: Mapping[str, Labelled]
    classifiers: Sequence[str] = COMPARED
    baselines: bool = True


def judge_split(split: Split) -> list[Answers]:
    """Trains on one set and judges the others: every classifier on every kind of features, and baselines.

    Raises:
        ConfigError, InputError: parts or sets that do not fit, or a group on both sides.
    """
    config = split.config
    for test in split.tests.values():
        check_disjoint(split.train.groups.tolist(), test.groups.tolist())
    trained = train_networks(config, split.train)
    looked = {name: look_all(test, trained.rows.codebook, config) for name, test in split.tests.items()}
    found: list[Answers] = []
    for features, variant, part in _variants(config, trained, alone=split.baselines):
        for kind in split.classifiers:
            model = fit_model(with_classifier(variant, kind), part).recogniser
            for name, test in split.tests.items():
                said = evaluate(model, looked[name], test.labels)
                reasons = np.array([verdict.reason for verdict in said.verdicts])
                found.append(Answers(kind, features, False, name, test.labels, said.predicted, reasons))
    if split.baselines:
        for name, test in split.tests.items():
            found += _baselines(config, trained, name, looked[name], test)
    return found


def fold_splits(split: Split, *, folds: int, repeats: int, name: str) -> list[Split]:
    """The training set of `split` in folds by group, again and again in other folds.

    Args:
        split: its tests are not looked at.
        folds: parts, 2 and up.
        repeats: how often; each has its own folds and seed of the model.
        name: of the test set.

    Raises:
        InputError: the groups leave no such folds.
    """
    config, data = split.config, split.train
    jobs = []
    for repeat in range(repeats):
        chance = generator(config.seed, f"unseen.{repeat}")
        own = config.model_copy(update={"seed": config.seed + repeat})
        for train, test in grouped_folds(data.names.tolist(), data.groups.tolist(), folds=folds, rng=chance):
            tests = {name: data.subset(test)}
            jobs.append(replace(split, config=own, train=data.subset(train), tests=tests))
    return jobs


def judge_splits(splits: Sequence[Split], *, processes: int) -> Iterator[list[Answers]]:
    """`judge_split` of each, in order, in so many processes (the main module must allow a second import)."""
    if processes == 1:
        yield from map(judge_split, splits)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        yield from pool.map(judge_split, splits)


def pool_folds(parts: Iterable[Answers]) -> Answers:
    """The answers of the folds of one repeat as one. Raises InputError for none."""
    every = list(parts)
    if not every:
        raise InputError("folds: got no answers, allowed: one or more")
    return replace(
        every[0],
        truth=np.concatenate([part.truth for part in every]),
        predicted=np.concatenate([part.predicted for part in every]),
        reasons=np.concatenate([part.reasons for part in every]),
    )


def table_rows(label: str, repeats: Sequence[Sequence[Answers]], *, classes: int) -> list[dict[str, object]]:
    """One mapping per way to judge: mean of each measure over the repeats, and its spread (sample deviation).

    Args:
        label: what is told apart.
        repeats: for each repeat the same ways to judge, in the same order.
        classes: C.
    """
    rows: list[dict[str, object]] = []
    for same in zip(*repeats, strict=True):
        one = same[0]
        measures = [asdict(measure(a.truth, a.predicted, a.reasons, classes=classes)) for a in same]
        row: dict[str, object] = {"label": label, "classifier": one.classifier, "features": one.features}
        row |= {"test": one.test, "baseline": one.baseline, "frames": len(one.truth), "repeats": len(same)}
        for name in measures[0]:
            values = np.array([each[name] for each in measures])
            row[name] = float(values.mean())
            row[f"{name}_spread"] = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        rows.append(row)
    return rows


def _variants(config: Config, trained: Trained, *, alone: bool) -> Iterator[tuple[str, Config, Trained]]:
    if trained.final is None:
        yield DESCRIPTORS, config, trained
        return
    yield FUSED if config.fusion.descriptors else BRANCHES, config, trained
    if not alone:
        return
    if config.fusion.descriptors:
        fusion = config.fusion.model_copy(update={"descriptors": False})
        yield BRANCHES, config.model_copy(update={"fusion": fusion}), trained
    training = config.training.model_copy(update={"enabled": False})
    fusion = config.fusion.model_copy(update={"descriptors": True})
    bare = replace(trained, rows=trained.rows.bare(), final=None)
    yield DESCRIPTORS, config.model_copy(update={"training": training, "fusion": fusion}), bare


def _baselines(
    config: Config, trained: Trained, name: str, sights: Sequence[Sight], test: Labelled
) -> list[Answers]:
    named = np.full(len(test), "accepted")
    return [
        Answers(kind, features, True, name, test.labels, predicted, named)
        for kind, features, predicted in judge_baselines(config, trained, sights)
    ]
