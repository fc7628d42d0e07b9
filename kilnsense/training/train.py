"""The whole job: a configuration in, a bundle on disk out."""

from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from kilnsense.assemble import check_parts
from kilnsense.bundle import Bundle, GalleryRow, data_fingerprint, save_bundle
from kilnsense.classify.metrics import expected_calibration_error
from kilnsense.config import Config
from kilnsense.data.folders import Sample, expect_per_class, read_samples
from kilnsense.data.labelled import Track, read_labelled
from kilnsense.data.splits import split_held_out
from kilnsense.errors import ConfigError, InputError
from kilnsense.golden import golden_arrays
from kilnsense.nets.export import to_onnx, weights_to_bytes
from kilnsense.recogniser import to_arrays, view
from kilnsense.record.publish import publish
from kilnsense.training.history import Epoch, History
from kilnsense.training.learn import Learned, Say, learn, say_nothing


def train(
    config: Config, *, folder: Path, base: Path = Path(), say: Say = say_nothing, track: Track = iter
) -> tuple[Bundle, Learned]:
    """Reads what the config names, trains, and writes ``bundle/`` and ``history.csv`` below `folder`.

    Args:
        config: its `data` section says where the labelled frames are.
        folder: of the run; ``checkpoints/`` in it lets a killed run go on.
        base: what a relative `data.root` starts from.
        say: takes remarks for people.
        track: shows how far the decoding is.

    Returns:
        The saved bundle, and what it was made of.

    Raises:
        KilnsenseError: bad config or data, or a folder that cannot be written; no half bundle is left.
    """
    samples = read_training_samples(config, base=base)
    data, failures = read_labelled(samples, config, base=base, track=track)
    for failure in failures:
        say(f"left out {failure.source} ({failure.reason}): {failure.message}")
    for name in config.classes:
        if name not in data.names:
            raise InputError(
                f"class {name!r}: none of its files could be read; look at the messages above, or take the "
                "class out of `classes`"
            )
    learned = learn(config, data, checkpoints=folder / "checkpoints", say=say)
    bundle = save_bundle(pack(learned), folder / "bundle", overwrite=True)
    if learned.trained.final is not None:
        publish(folder / "history.csv", _history_lines(learned.trained.final.result.history))
    return bundle, learned


def read_training_samples(config: Config, *, base: Path = Path()) -> list[Sample]:
    """The samples that training would read; all checks that need no picture, before any work is done.

    Raises:
        KilnsenseError: parts that do not fit, missing data, a class with fewer samples than K.
    """
    check_parts(config)
    if not config.data.root and base == Path():
        raise ConfigError(
            "data.root: is empty; name the folder of the labelled frames (--set data.root=FOLDER)"
        )
    samples, _ = split_held_out(read_samples(config.data, config.classes, base=base), config.data.held_out)
    needed = config.training.samples_per_class if config.training.enabled else 2
    expect_per_class(samples, config.classes, needed, where=f"data.root {config.data.root}")
    return samples


def pack(learned: Learned) -> Bundle:
    """A fitted model as a bundle; without identity until it is saved."""
    recogniser, data = learned.recogniser, learned.trained.data
    sights, network = learned.trained.sights, learned.trained.final
    gallery = tuple(
        GalleryRow(sight.frame.source, name, group, sight.frame.sha256)
        for sight, name, group in zip(sights, data.names.tolist(), data.groups.tolist(), strict=True)
    )
    onnx = weights = None
    if network is not None:
        example = view([sights[0].frame], [sights[0].segmentation], recogniser.config)
        onnx, weights = to_onnx(network.encoder, example), weights_to_bytes(network.encoder)
    probabilities = learned.evaluation.scores.probabilities
    return Bundle(
        config=recogniser.config,
        classifier=recogniser.classifier,
        arrays={
            **to_arrays(recogniser),
            **golden_arrays(sights, data.labels, recogniser),
            "gallery.features": learned.features.values,
            "gallery.labels": data.labels,
            "gallery.probabilities": probabilities,
        },
        thresholds={
            "min_confidence": recogniser.min_confidence,
            "familiar_quantile": recogniser.config.decide.familiar_quantile,
        },
        scores={
            **asdict(learned.evaluation.measures),
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
        cells = [f"{getattr(epoch, name):.6g}" for name in names]
        yield ",".join([*cells, f"{spread:.6g}", " ".join(epoch.collapsed)]) + "\n"
