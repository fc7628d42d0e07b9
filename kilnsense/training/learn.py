"""From labelled frames in memory to a fitted model, every figure of it measured on left-out groups."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilnsense.assemble import check_parts
from kilnsense.classify.familiarity import held_out_signals
from kilnsense.config import Config
from kilnsense.data.labelled import Labelled
from kilnsense.data.splits import grouped_folds, usable_folds
from kilnsense.errors import InputError
from kilnsense.features.descriptors import split_blocks
from kilnsense.features.fuse import Evidence
from kilnsense.image.quality import assess
from kilnsense.recogniser import Encode, Recogniser, Sight, embed, judged_mask, look
from kilnsense.seeds import generator
from kilnsense.segment.codebook import learn_codebook
from kilnsense.training.crossfit import Fold
from kilnsense.training.evaluate import Evaluation
from kilnsense.training.fit_rows import Rows, fit_rows
from kilnsense.training.network import Network, split_rows, train_network
from kilnsense.types import Embeddings, Features

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Trained:
    """What takes long: frames that were looked at, and the networks of all folds and of all frames.

    Attributes:
        rows: the usable frames as numbers.
        sights, data: the same frames and their labels.
        final: networks that saw all frames, or None where none are wanted.
    """

    rows: Rows
    sights: tuple[Sight, ...]
    data: Labelled
    final: Network | None


@dataclass(frozen=True, eq=False)
class Learned:
    """A fitted model.

    Attributes:
        recogniser: the model as it is in memory, with torch networks.
        features: (N, F) rows of the frames it learned from.
        evidence: what each block alone said out of fold, where the fusion learns from it.
        evaluation: of the training frames, each judged by a model, a calibration and thresholds that had not
            seen its group (fusion weights and the codebook excepted, see `cross_fit`).
        trained: what it was made of.
    """

    recogniser: Recogniser
    features: Features
    evidence: Evidence | None
    evaluation: Evaluation
    trained: Trained


def say_nothing(remark: str) -> None:
    """For callers that want no remarks."""


def learn(
    config: Config, data: Labelled, *, checkpoints: Path | None = None, say: Say = say_nothing
) -> Learned:
    """Trains the networks and fits everything on top of them; see `train_networks` and `fit_model`."""
    return fit_model(config, train_networks(config, data, checkpoints=checkpoints, say=say))


def train_networks(
    config: Config, data: Labelled, *, checkpoints: Path | None = None, say: Say = say_nothing
) -> Trained:
    """Looks at labelled frames and trains the networks of every fold, and of all frames.

    Args:
        config: the model; its `data` section is not looked at.
        data: the frames; those of bad quality are left out.
        checkpoints: folder to go on from after a kill; None: start anew.
        say: takes remarks for people.

    Raises:
        ConfigError, InputError: parts that do not fit, too few frames or groups of a class.
    """
    check_parts(config)
    data = _usable(config, data, say)
    codebook = learn_codebook(
        data.frames,
        config.segment,
        mask_of=lambda frame: judged_mask(frame, config),
        rng=generator(config.seed, "codebook"),
    )
    sights = tuple(look(frame, codebook, config) for frame in data.frames)
    names, groups = data.names.tolist(), data.groups.tolist()
    count = usable_folds(names, groups, config.decide.folds) or config.decide.folds
    splits = grouped_folds(names, groups, folds=count, rng=generator(config.seed, "folds"))
    if config.training.enabled:
        _check_splits(config, data, [train for train, _ in splits])

    def network(rows: NDArray[np.intp], part: str) -> Network | None:
        if not config.training.enabled:
            return None
        trained = train_network(config, sights, data, rows, part=part, checkpoints=checkpoints)
        best, last = trained.result.best, trained.result.history.epochs[-1]
        say(
            f"{part}: best epoch {best.number} of {last.number}, "
            f"neighbours right in validation groups {best.accuracy:.3f}"
        )
        return trained

    def embedded(made: Network | None) -> Embeddings | None:
        return embed(sights, encode_of(made), config)

    folds = tuple(
        Fold(train, test, embedded(network(train, f"fold{number}")))
        for number, (train, test) in enumerate(splits, start=1)
    )
    final = network(np.arange(len(data)), "final")
    descriptors = np.stack([sight.descriptors for sight in sights])
    seen = Rows(
        codebook=codebook,
        labels=data.labels,
        groups=data.groups,
        descriptors=descriptors,
        qualities=tuple(sight.quality for sight in sights),
        folds=folds,
        embeddings=embedded(final),
        signals=held_out_signals(split_blocks(descriptors, config.segment.names), groups, data.labels),
    )
    return Trained(seen, sights, data, final)


def _check_splits(config: Config, data: Labelled, trains: Sequence[NDArray[np.intp]]) -> None:
    """All that can be refused is refused before the first network is trained."""
    for number, train in enumerate(trains, start=1):
        split_rows(config, data, train, part=f"fold{number}")
    split_rows(config, data, np.arange(len(data)), part="final")


def _usable(config: Config, data: Labelled, say: Say) -> Labelled:
    """The frames of good quality; a class that loses too many of them is an error, not a class less."""
    flags = [assess(frame, config.quality, mask=judged_mask(frame, config)).flags for frame in data.frames]
    for frame, found in zip(data.frames, flags, strict=True):
        if found:
            say(f"left out {frame.source}: bad picture ({', '.join(found)})")
    kept = data.subset(np.flatnonzero([not found for found in flags]))
    needed = config.training.samples_per_class if config.training.enabled else 2
    for index, name in enumerate(config.classes):
        left, given = int((kept.labels == index).sum()), int((data.labels == index).sum())
        if left < min(needed, given):
            raise InputError(
                f"class {name!r}: {left} usable frames of {given}, needed: {needed} or more; look at the "
                "frames, or at the limits in `quality`"
            )
    return kept


def fit_model(config: Config, trained: Trained) -> Learned:
    """Fits fusion, classifier, calibration, familiarity and thresholds on trained networks, see `fit_rows`.

    Args:
        config: may differ from the networks' own in `fusion`, `classifier` and `decide`.
        trained: see `train_networks`.

    Raises:
        ConfigError, InputError: parts that do not fit.
    """
    fitted = fit_rows(config, trained.rows)
    recogniser = replace(fitted.recogniser, encode=encode_of(trained.final))
    return Learned(recogniser, fitted.features, fitted.evidence, fitted.evaluation, trained)


def encode_of(network: Network | None) -> Encode | None:
    """The networks as a function from views to embeddings; None where there are none."""
    return None if network is None else network.encode
