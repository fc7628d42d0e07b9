"""From frames as numbers to a fitted model: fusion, classifier, calibration, familiarity and thresholds.

Nothing here looks at a picture: what took long (regions, descriptors, networks) lies behind.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kilnsense.assemble import make_fuser
from kilnsense.classify.calibrate import Calibration, fit_calibration
from kilnsense.classify.decide import FAMILIAR, decide
from kilnsense.classify.familiarity import Familiarity, calibrate_familiarity, know_rows
from kilnsense.config import Config, DecideConfig
from kilnsense.features.fuse import Evidence
from kilnsense.recogniser import Recogniser, join
from kilnsense.segment.codebook import Codebook
from kilnsense.training.crossfit import Fold, OutOfFold, cross_fit
from kilnsense.training.evaluate import Evaluation, summarise
from kilnsense.types import Embeddings, Features, Quality, Scores, Verdict

Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Rows:
    """N labelled frames as numbers.

    Attributes:
        codebook: what the regions mean.
        labels: (N,) class indices.
        groups: (N,) str.
        descriptors: (N, F) float32.
        qualities: one each.
        folds: splits by group, each with what networks that saw its training part alone make of all frames.
        embeddings: of networks that saw all frames; None for descriptors alone.
        signals: (N, blocks, signals) float64, how far the descriptors of each frame lie from other groups'.
    """

    codebook: Codebook
    labels: NDArray[np.int64]
    groups: NDArray[np.str_]
    descriptors: NDArray[np.float32]
    qualities: tuple[Quality, ...]
    folds: tuple[Fold, ...]
    embeddings: Embeddings | None
    signals: NDArray[np.float64]

    def bare(self) -> "Rows":
        """The same without what networks said."""
        folds = tuple(replace(fold, embeddings=None) for fold in self.folds)
        return replace(self, folds=folds, embeddings=None)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model on top of networks that are known by their embeddings alone.

    Attributes:
        recogniser: without networks; `recogniser.score_rows` judges with it.
        features: (N, F) rows that it learned from.
        evidence: what each block alone said out of fold, where the fusion learns from it.
        evaluation: of the same frames, each judged by a model, a calibration and thresholds that had not seen
            its group (fusion weights and the codebook excepted, see `cross_fit`).
    """

    recogniser: Recogniser
    features: Features
    evidence: Evidence | None
    evaluation: Evaluation


def fit_rows(config: Config, rows: Rows) -> Fitted:
    """Fits fusion, classifier, calibration, familiarity and thresholds.

    Every group is left out once (`kilnsense.training.crossfit`): that gives the calibration, the thresholds
    and the fusion weights. Then fusion and classifier are fitted once more on all frames. For the evaluation
    calibration and thresholds are fitted in turn without the fold that they judge.

    Args:
        config: may differ from that of the networks in `fusion`, `classifier` and `decide`.
        rows: the frames.

    Raises:
        ConfigError, InputError: parts that do not fit.
    """
    judged = cross_fit(config, rows.descriptors, rows.labels, rows.folds)
    features, blocks = join(rows.descriptors, rows.embeddings, config)
    fuser = make_fuser(config, features, evidence=judged.evidence).fit(features.values, rows.labels)
    known = know_rows(blocks, rows.labels)
    held = replace(judged, signals=np.concatenate([rows.signals, judged.signals], axis=1))
    calibration, familiarity, border = _fit_borders(config, known, held, rows, np.arange(len(rows.labels)))
    recogniser = Recogniser(
        config=config,
        model_id="",
        codebook=rows.codebook,
        encode=None,
        classifier=fuser,
        calibration=calibration,
        familiarity=familiarity,
        min_confidence=border,
    )
    return Fitted(recogniser, features, judged.evidence, _evaluate(config, known, held, rows))


def _fit_borders(
    config: Config, known: Familiarity, held: OutOfFold, rows: Rows, chosen: Indices
) -> tuple[Calibration, Familiarity, float]:
    """Calibration, familiarity and the border of confidence from the out-of-fold evidence of some rows."""
    probabilities, signals = held.probabilities[chosen], held.signals[chosen]
    calibration = fit_calibration(probabilities, rows.labels[chosen], rows.groups[chosen].tolist())
    familiarity = calibrate_familiarity(known, signals, quantile=config.decide.familiar_quantile)
    scores = Scores(config.classes, calibration.apply(probabilities), familiarity.judge(signals))
    return calibration, familiarity, confidence_border(scores, config.decide)


def _evaluate(config: Config, known: Familiarity, held: OutOfFold, rows: Rows) -> Evaluation:
    """What the out-of-fold evidence says of every fold, judged by the borders of the other folds."""
    calibrated, far = np.zeros_like(held.probabilities), np.zeros(len(rows.labels))
    verdicts: list[Verdict | None] = [None] * len(rows.labels)
    for fold in rows.folds:
        calibration, familiarity, border = _fit_borders(config, known, held, rows, fold.train)
        calibrated[fold.test] = calibration.apply(held.probabilities[fold.test])
        far[fold.test] = familiarity.judge(held.signals[fold.test])
        part = Scores(config.classes, calibrated[fold.test], far[fold.test])
        qualities = [rows.qualities[row] for row in fold.test]
        for row, verdict in zip(fold.test, decide(part, qualities, min_confidence=border), strict=True):
            verdicts[row] = verdict
    said = [verdict for verdict in verdicts if verdict is not None]
    return summarise(Scores(config.classes, calibrated, far), said, rows.labels)


def confidence_border(scores: Scores, config: DecideConfig) -> float:
    """The confidence below which no state is named, 0..1.

    The configured share of the familiar frames of left-out groups lies below it, and it is never lower than
    the configured minimum.
    """
    confidences = scores.probabilities.max(axis=1)[scores.unfamiliarity <= FAMILIAR]
    doubtful = float(np.quantile(confidences, config.doubtful_share)) if len(confidences) else 0.0
    return max(config.min_confidence, doubtful)
