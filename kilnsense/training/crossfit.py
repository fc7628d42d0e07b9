"""Out-of-fold truth: what a model says of frames whose groups none of its parts has seen.

Every fold trains its own networks, fusion and familiarity on its training groups. What comes out is the only
evidence used for fusion weights, calibration, thresholds and the scores that a bundle states. Two things are
shared: the codebook, which knows no labels, and for `weighted` and `stack` the handful of fusion weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilnsense.assemble import make_classifier, make_fuser
from kilnsense.classify.familiarity import know_rows
from kilnsense.classify.models import class_probabilities
from kilnsense.classify.reference import SIGNALS
from kilnsense.config import Config
from kilnsense.features.fuse import NEEDS_EVIDENCE, Evidence, block_probabilities
from kilnsense.recogniser import EMBEDDING, join
from kilnsense.types import Embeddings, Features

Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Fold:
    """One split and the networks trained on its training part.

    Attributes:
        train, test: row indices of the labelled frames; no group is on both sides.
        embeddings: of all frames, by networks trained on `train` alone; None for descriptors alone.
    """

    train: Indices
    test: Indices
    embeddings: Embeddings | None


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """What was said of each of N frames by the model that had not seen its group.

    Attributes:
        probabilities: (N, C) float64, raw.
        signals: (N, 0 or 1, signals) float64, how far the embedding lies from the fold's training frames;
            of the descriptors see `kilnsense.classify.familiarity.held_out_signals`.
        evidence: block by block, where the fusion learns from it.
    """

    probabilities: NDArray[np.float64]
    signals: NDArray[np.float64]
    evidence: Evidence | None


def cross_fit(
    config: Config,
    descriptors: NDArray[np.float32],
    labels: NDArray[np.int64],
    folds: Sequence[Fold],
) -> OutOfFold:
    """Fits fusion and the familiarity of embeddings in every fold and judges its test part.

    Args:
        config: the model.
        descriptors: (N, F) of the frames.
        labels: (N,) class indices.
        folds: their test parts tile the N rows.
    """
    classes = len(config.classes)
    rows = [join(descriptors, fold.embeddings, config) for fold in folds]
    evidence = None
    if config.fusion.kind in NEEDS_EVIDENCE:
        evidence = _gather_evidence(config, rows, labels, folds)
    probabilities = np.zeros((len(labels), classes))
    signals = np.zeros((len(labels), int(folds[0].embeddings is not None), len(SIGNALS)))
    for fold, (features, blocks) in zip(folds, rows, strict=True):
        # The weights of a fold come from the other folds' frames. The networks behind that evidence did see
        # this fold's test frames; but weights are few numbers, and nesting would train all networks anew.
        seen = None if evidence is None else Evidence(evidence.probabilities[fold.train], labels[fold.train])
        fuser = make_fuser(config, features, evidence=seen)
        fuser.fit(features.values[fold.train], labels[fold.train])
        probabilities[fold.test] = class_probabilities(fuser, features.values[fold.test], classes=classes)
        if EMBEDDING in blocks:
            known = know_rows({EMBEDDING: blocks[EMBEDDING][fold.train]}, labels[fold.train])
            signals[fold.test] = known.signals({EMBEDDING: blocks[EMBEDDING][fold.test]})
    return OutOfFold(probabilities, signals, evidence)


def _gather_evidence(
    config: Config,
    rows: Sequence[tuple[Features, dict[str, NDArray[np.float32]]]],
    labels: NDArray[np.int64],
    folds: Sequence[Fold],
) -> Evidence:
    table: NDArray[np.float64] | None = None
    for fold, (features, _) in zip(folds, rows, strict=True):
        part = block_probabilities(
            features.rows(fold.train),
            labels[fold.train],
            features.rows(fold.test),
            classifier=make_classifier(config),
            classes=len(config.classes),
        )
        if table is None:
            table = np.zeros((len(labels), *part.shape[1:]))
        table[fold.test] = part
    assert table is not None  # there are at least two folds
    return Evidence(table, labels)
