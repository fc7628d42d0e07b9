"""From labelled frames in memory to a fitted model, every figure of it measured on left-out groups."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilnsense.assemble import check_parts, make_fuser
from kilnsense.classify.calibrate import Calibration, fit_calibration
from kilnsense.classify.decide import FAMILIAR, decide
from kilnsense.classify.familiarity import Familiarity, calibrate_familiarity, held_out_signals, know_rows
from kilnsense.config import Config, DecideConfig
from kilnsense.data.labelled import Labelled
from kilnsense.data.splits import grouped_folds, usable_folds
from kilnsense.errors import InputError
from kilnsense.features.descriptors import split_blocks
from kilnsense.features.fuse import Evidence
from kilnsense.image.quality import assess
from kilnsense.recogniser import Encode, Recogniser, Sight, embed, join, judged_mask, look
from kilnsense.seeds import generator
from kilnsense.segment.codebook import Codebook, learn_codebook
from kilnsense.training.crossfit import Fold, cross_fit
from kilnsense.training.evaluate import Evaluation, summarise
from kilnsense.training.network import Network, split_rows, train_network
from kilnsense.types import Embeddings, Features, Scores, Verdict

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Trained:
    """What takes long: frames that were looked at, and the networks of all folds and of all frames.

    Attributes:
        codebook: what the regions mean.
        sights, data: the usable frames and their labels.
        folds: splits by group, each with what networks that saw its training part alone make of all frames.
        final: networks that saw all frames, or None where none are wanted.
        embeddings: what those make of the frames.
        signals: (N, blocks, signals) float64, how far the descriptors of each frame lie from other groups'.
    """

    codebook: Codebook
    sights: tuple[Sight, ...]
    data: Labelled
    folds: tuple[Fold, ...]
    final: Network | None
    embeddings: Embeddings | None
    signals: NDArray[np.float64]


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
        # All that can be refused is refused before the first network is trained.
        for part, rows in [
            *((f"fold{number}", train) for number, (train, _) in enumerate(splits, start=1)),
            ("final", np.arange(len(data))),
        ]:
            split_rows(config, data, rows, part=part)

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
    described = split_blocks(np.stack([sight.descriptors for sight in sights]), config.segment.names)
    signals = held_out_signals(described, groups, data.labels)
    return Trained(codebook, sights, data, folds, final, embedded(final), signals)


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
    """Fits fusion, classifier, calibration, familiarity and thresholds on trained networks.

    Every group is left out once (`kilnsense.training.crossfit`): that gives the calibration, the thresholds
    and the fusion weights. Then fusion and classifier are fitted once more on all frames. For the evaluation
    calibration and thresholds are fitted in turn without the fold that they judge.

    Args:
        config: may differ from the networks' own in `fusion`, `classifier` and `decide`.
        trained: see `train_networks`.

    Raises:
        ConfigError, InputError: parts that do not fit.
    """
    sights, data = trained.sights, trained.data
    judged = cross_fit(config, sights, data.labels, trained.folds)
    features, blocks = join(sights, trained.embeddings, config)
    fuser = make_fuser(config, features, evidence=judged.evidence).fit(features.values, data.labels)
    known = know_rows(blocks, data.labels)
    signals = np.concatenate([trained.signals, judged.signals], axis=1)
    every = np.arange(len(data))
    calibration, familiarity, border = _fit_borders(config, known, judged.probabilities, signals, data, every)
    recogniser = Recogniser(
        config=config,
        model_id="",
        codebook=trained.codebook,
        encode=encode_of(trained.final),
        classifier=fuser,
        calibration=calibration,
        familiarity=familiarity,
        min_confidence=border,
    )
    evaluation = _evaluate(config, known, judged.probabilities, signals, trained)
    return Learned(recogniser, features, judged.evidence, evaluation, trained)


def _fit_borders(
    config: Config,
    known: Familiarity,
    probabilities: NDArray[np.float64],
    signals: NDArray[np.float64],
    data: Labelled,
    rows: NDArray[np.intp],
) -> tuple[Calibration, Familiarity, float]:
    """Calibration, familiarity and the border of confidence from the out-of-fold evidence of some rows."""
    calibration = fit_calibration(probabilities[rows], data.labels[rows], data.groups[rows].tolist())
    familiarity = calibrate_familiarity(known, signals[rows], quantile=config.decide.familiar_quantile)
    scores = Scores(data.classes, calibration.apply(probabilities[rows]), familiarity.judge(signals[rows]))
    return calibration, familiarity, confidence_border(scores, config.decide)


def _evaluate(
    config: Config,
    known: Familiarity,
    probabilities: NDArray[np.float64],
    signals: NDArray[np.float64],
    trained: Trained,
) -> Evaluation:
    """What the out-of-fold evidence says of every fold, judged by the borders of the other folds."""
    data = trained.data
    calibrated, far = np.zeros_like(probabilities), np.zeros(len(data))
    verdicts: list[Verdict | None] = [None] * len(data)
    for fold in trained.folds:
        calibration, familiarity, border = _fit_borders(
            config, known, probabilities, signals, data, fold.train
        )
        calibrated[fold.test] = calibration.apply(probabilities[fold.test])
        far[fold.test] = familiarity.judge(signals[fold.test])
        part = Scores(data.classes, calibrated[fold.test], far[fold.test])
        qualities = [trained.sights[row].quality for row in fold.test]
        for row, verdict in zip(fold.test, decide(part, qualities, min_confidence=border), strict=True):
            verdicts[row] = verdict
    said = [verdict for verdict in verdicts if verdict is not None]
    return summarise(Scores(data.classes, calibrated, far), said, data.labels)


def encode_of(network: Network | None) -> Encode | None:
    """The networks as a function from views to embeddings; None where there are none."""
    return None if network is None else network.encode


def confidence_border(scores: Scores, config: DecideConfig) -> float:
    """The confidence below which no state is named, 0..1.

    The configured share of the familiar frames of left-out groups lies below it, and it is never lower than
    the configured minimum.
    """
    confidences = scores.probabilities.max(axis=1)[scores.unfamiliarity <= FAMILIAR]
    doubtful = float(np.quantile(confidences, config.doubtful_share)) if len(confidences) else 0.0
    return max(config.min_confidence, doubtful)
