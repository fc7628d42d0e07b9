"""The whole job: labelled frames in, a bundle out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilnsense.assemble import check_parts, make_fuser
from kilnsense.bundle import Bundle, GalleryRow, data_fingerprint, save_bundle
from kilnsense.classify.calibrate import fit_calibration
from kilnsense.classify.decide import decide
from kilnsense.classify.familiarity import calibrate_familiarity, know_rows
from kilnsense.classify.metrics import expected_calibration_error
from kilnsense.config import Config
from kilnsense.data.folders import Sample, expect_per_class, read_samples
from kilnsense.data.labelled import Labelled, Track, read_labelled
from kilnsense.data.splits import grouped_folds, split_held_out, usable_folds
from kilnsense.features.fuse import Evidence
from kilnsense.nets.export import to_onnx, weights_to_bytes
from kilnsense.recogniser import Recogniser, Sight, look, represent, to_arrays, view
from kilnsense.record.publish import publish
from kilnsense.seeds import generator
from kilnsense.segment.codebook import learn_codebook
from kilnsense.training.crossfit import Fold, OutOfFold, cross_fit
from kilnsense.training.evaluate import Evaluation, summarise
from kilnsense.training.history import Epoch, History
from kilnsense.training.network import Network, train_network
from kilnsense.types import Features, Scores

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Learned:
    """What came of training.

    Attributes:
        bundle: the model; without identity until it is saved.
        evaluation: of the training frames, each judged by a model that had not seen its group.
        recogniser: the model as it is in memory, with torch networks.
        sights, data: the frames it learned from, looked at, and their labels.
        evidence: what each block alone said out of fold, where the fusion learns from it.
        history: of the networks' last fit, or None where none was trained.
    """

    bundle: Bundle
    recogniser: Recogniser
    evaluation: Evaluation
    sights: tuple[Sight, ...]
    data: Labelled
    evidence: Evidence | None
    history: History | None


def say_nothing(remark: str) -> None:
    """For callers that want no remarks."""


def train_bundle(
    config: Config, *, folder: Path, base: Path = Path(), say: Say = say_nothing, track: Track = iter
) -> Learned:
    """Reads what the config names, trains, and writes ``bundle/`` and ``history.csv`` below `folder`.

    Args:
        config: its `data` section says where the labelled frames are.
        folder: of the run; ``checkpoints/`` in it lets a killed run go on.
        base: what a relative `data.root` starts from.
        say: takes remarks for people.
        track: shows how far the decoding is.

    Raises:
        KilnsenseError: bad config or data, or a folder that cannot be written; no half bundle is left.
    """
    check_parts(config)
    samples, _ = split_held_out(read_samples(config.data, config.classes, base=base), config.data.held_out)
    _expect_enough(config, samples)
    data, failures = read_labelled(samples, config, base=base, track=track)
    for failure in failures:
        say(f"left out {failure.source} ({failure.reason}): {failure.message}")
    learned = learn(config, data, checkpoints=folder / "checkpoints", say=say)
    bundle = save_bundle(learned.bundle, folder / "bundle", overwrite=True)
    if learned.history is not None:
        publish(folder / "history.csv", _history_lines(learned.history))
    return replace(learned, bundle=bundle)


def learn(
    config: Config, data: Labelled, *, checkpoints: Path | None = None, say: Say = say_nothing
) -> Learned:
    """Trains a model on labelled frames in memory.

    Every group is left out once (`kilnsense.training.crossfit`): that gives the scores, the calibration, the
    threshold of familiarity and the fusion weights. Then everything is fitted once more on all frames.

    Args:
        config: the model; its `data` section is not looked at.
        data: the frames; those of bad quality are left out.
        checkpoints: folder to go on from after a kill; None: start anew.
        say: takes remarks for people.

    Raises:
        ConfigError, InputError: parts that do not fit, too few frames or groups of a class.
    """
    check_parts(config)
    codebook = learn_codebook(data.frames, config.segment, rng=generator(config.seed, "codebook"))
    every = [look(frame, codebook, config) for frame in data.frames]
    usable = np.flatnonzero([sight.quality.usable for sight in every])
    for sight in every:
        if not sight.quality.usable:
            say(f"left out {sight.frame.source}: bad picture ({', '.join(sight.quality.flags)})")
    sights, data = tuple(every[row] for row in usable), data.subset(usable)
    folds = _folds(config, sights, data, checkpoints, say)
    judged = cross_fit(config, sights, data.labels, folds)
    final = _network(config, sights, data, np.arange(len(data)), "final", checkpoints, say)
    encode = final and final.encode
    features, blocks = represent(sights, encode, config)
    fuser = make_fuser(config, features, evidence=judged.evidence).fit(features.values, data.labels)
    known = know_rows(blocks, data.labels)
    recogniser = Recogniser(
        config=config,
        model_id="",
        codebook=codebook,
        encode=encode,
        classifier=fuser,
        calibration=fit_calibration(judged.probabilities, data.labels, data.groups.tolist()),
        familiarity=calibrate_familiarity(known, judged.signals, quantile=config.decide.familiar_quantile),
        min_confidence=config.decide.min_confidence,
    )
    evaluation = _judge_out_of_fold(recogniser, judged, sights, data)
    return Learned(
        bundle=_pack(recogniser, final, features, evaluation, sights, data),
        recogniser=recogniser,
        evaluation=evaluation,
        sights=sights,
        data=data,
        evidence=judged.evidence,
        history=final.result.history if final else None,
    )


def _folds(
    config: Config, sights: Sequence[Sight], data: Labelled, checkpoints: Path | None, say: Say
) -> list[Fold]:
    names, groups = data.names.tolist(), data.groups.tolist()
    count = usable_folds(names, groups, config.decide.folds) or config.decide.folds
    splits = grouped_folds(names, groups, folds=count, rng=generator(config.seed, "folds"))
    folds = []
    for number, (train, test) in enumerate(splits, start=1):
        network = _network(config, sights, data, train, f"fold{number}", checkpoints, say)
        folds.append(Fold(train, test, network and network.encode))
    return folds


def _network(
    config: Config,
    sights: Sequence[Sight],
    data: Labelled,
    rows: NDArray[np.intp],
    part: str,
    checkpoints: Path | None,
    say: Say,
) -> Network | None:
    if not config.training.enabled:
        return None
    network = train_network(config, sights, data, rows, part=part, checkpoints=checkpoints)
    best, last = network.result.best, network.result.history.epochs[-1]
    say(
        f"{part}: best epoch {best.number} of {last.number} ({network.result.stopped}), "
        f"neighbours right on validation groups {best.accuracy:.3f}"
    )
    return network


def _judge_out_of_fold(
    recogniser: Recogniser, judged: OutOfFold, sights: Sequence[Sight], data: Labelled
) -> Evaluation:
    scores = Scores(
        data.classes,
        recogniser.calibration.apply(judged.probabilities),
        recogniser.familiarity.judge(judged.signals),
    )
    verdicts = decide(scores, [s.quality for s in sights], min_confidence=recogniser.min_confidence)
    return summarise(scores, verdicts, data.labels)


def _pack(
    recogniser: Recogniser,
    network: Network | None,
    features: Features,
    evaluation: Evaluation,
    sights: Sequence[Sight],
    data: Labelled,
) -> Bundle:
    config = recogniser.config
    gallery = tuple(
        GalleryRow(sight.frame.source, name, group, sight.frame.sha256)
        for sight, name, group in zip(sights, data.names.tolist(), data.groups.tolist(), strict=True)
    )
    onnx = weights = None
    if network is not None:
        views = view([sights[0].frame], [sights[0].segmentation], config)
        onnx, weights = to_onnx(network.encoder, views), weights_to_bytes(network.encoder)
    probabilities = evaluation.scores.probabilities
    return Bundle(
        config=config,
        classifier=recogniser.classifier,
        arrays={
            **to_arrays(recogniser),
            "gallery.features": features.values,
            "gallery.labels": data.labels,
            "gallery.probabilities": probabilities,
        },
        thresholds={
            "min_confidence": recogniser.min_confidence,
            "familiar_quantile": config.decide.familiar_quantile,
        },
        scores={
            **asdict(evaluation.measures),
            "calibration_error": expected_calibration_error(data.labels, probabilities),
            "frames": float(len(data)),
            "groups": float(len(set(data.groups.tolist()))),
        },
        gallery=gallery,
        encoder_onnx=onnx,
        encoder_weights=weights,
        fingerprint=data_fingerprint(gallery),
    )


def _history_lines(history: History) -> Iterator[str]:
    names = [field.name for field in fields(Epoch) if field.name not in ("spread", "collapsed")]
    yield ",".join([*names, "spread", "collapsed"]) + "\n"
    for epoch in history.epochs:
        spread = float(np.mean(epoch.spread)) if epoch.spread else 0.0
        cells = [getattr(epoch, name) for name in names]
        yield ",".join([*(f"{cell:.6g}" for cell in cells), f"{spread:.6g}", " ".join(epoch.collapsed)]) + "\n"


def _expect_enough(config: Config, samples: Sequence[Sample]) -> None:
    needed = config.training.samples_per_class if config.training.enabled else 2
    expect_per_class(samples, config.classes, needed, where=f"data.root {config.data.root}")
