"""Who takes part: classifiers on everything that the model sees, and the baselines that they must beat."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilnsense.bundle.classifier_file import to_bytes
from kilnsense.classify.calibrate import fit_calibration
from kilnsense.classify.decide import decide
from kilnsense.classify.models import CLASSIFIERS, build_classifier, class_probabilities
from kilnsense.compare.looked import LookedFold
from kilnsense.compare.tuning import tuned_options
from kilnsense.config import ClassifierConfig, CompareConfig, Config, Options
from kilnsense.parts import pick
from kilnsense.recogniser import join, score_rows
from kilnsense.seeds import derive
from kilnsense.training.fit_rows import confidence_border, fit_rows
from kilnsense.training.trial import with_classifier
from kilnsense.types import Quality, Scores

MAJORITY, LUMINANCE, DESCRIPTORS = "majority", "mean_luminance", "descriptors+svm"
BASELINES = {
    MAJORITY: "always says the shares of the training labels",
    LUMINANCE: "k nearest neighbours on the mean luminance alone",
    DESCRIPTORS: "an svm on the hand-made descriptors, no network",
}
"""Name to what it is; always beside the classifiers."""


@dataclass(frozen=True, eq=False)
class Said:
    """What one entrant said of the test frames of one fold.

    Attributes:
        probabilities: (N, C) float64, calibrated.
        reasons: N verdicts' reasons.
        fit_seconds: for fusion, classifier, calibration and thresholds (and the search with --tune).
        predict_ms: per frame, from embeddings and descriptors to the verdict.
        size: bytes of the stored classifier.
        options: of the classifier, those that a search chose included.
    """

    probabilities: NDArray[np.float64]
    reasons: tuple[str, ...]
    fit_seconds: float
    predict_ms: float
    size: int
    options: Options


def entrants(settings: CompareConfig) -> tuple[str, ...]:
    """All names, classifiers first. Raises ConfigError for an unknown classifier, or a wrong option."""
    known = {name: builder for name, builder in CLASSIFIERS.items() if name not in BASELINES}
    for name in settings.classifiers:
        pick(known, name, kind="--classifiers")
        config = with_classifier(settings.base, name).classifier
        build_classifier(config.kind, config.options, seed=0)
    return (*settings.classifiers, *BASELINES)


def judge_fold(name: str, settings: CompareConfig, fold: LookedFold) -> Said:
    """Fits one entrant on the training frames of a fold and judges its test frames.

    Raises:
        ConfigError, InputError: parts that do not fit, or too few frames for the classifier.
    """
    if name in (MAJORITY, LUMINANCE):
        return _judge_plain(name, settings.base, fold)
    config, rows = settings.base, fold.rows
    embeddings = fold.test.embeddings
    if name == DESCRIPTORS:
        fusion = config.fusion.model_copy(update={"descriptors": True})
        config = with_classifier(config, "svm").model_copy(update={"fusion": fusion})
        rows, embeddings = rows.bare(), None
    else:
        config = with_classifier(config, name)
    start = time.perf_counter()
    if settings.tune:
        options = tuned_options(config, rows, settings.metric)
        classifier = ClassifierConfig(kind=config.classifier.kind, options=options)
        config = config.model_copy(update={"classifier": classifier})
    model = fit_rows(config, rows).recogniser
    fitted = time.perf_counter()
    scores = score_rows(*join(fold.test.descriptors, embeddings, config), model)
    reasons = _reasons(scores, fold.test.qualities, model.min_confidence)
    done = time.perf_counter()
    return Said(
        probabilities=scores.probabilities,
        reasons=reasons,
        fit_seconds=fitted - start,
        predict_ms=1000 * (done - fitted) / len(reasons),
        size=len(to_bytes(model.classifier)),
        options=config.classifier.options,
    )


def _judge_plain(name: str, config: Config, fold: LookedFold) -> Said:
    """A classifier on one column, calibrated like all others; it knows nothing of familiarity."""
    rows, classes = fold.rows, len(config.classes)
    start = time.perf_counter()
    known, asked = _luminance(rows.qualities), _luminance(fold.test.qualities)
    kind = "majority" if name == MAJORITY else "knn"

    def fitted(chosen: NDArray[np.intp]) -> Any:
        options = {"neighbours": min(9, len(chosen))} if kind == "knn" else {}
        model = build_classifier(kind, options, seed=derive(config.seed, "classifier"))
        return model.fit(known[chosen], rows.labels[chosen])

    held = np.zeros((len(rows.labels), classes))
    for inner in rows.folds:
        held[inner.test] = class_probabilities(fitted(inner.train), known[inner.test], classes=classes)
    calibration = fit_calibration(held, rows.labels, rows.groups.tolist())
    model = fitted(np.arange(len(rows.labels)))
    border = confidence_border(_unjudged(config, calibration.apply(held)), config.decide)
    ready = time.perf_counter()
    scores = _unjudged(config, calibration.apply(class_probabilities(model, asked, classes=classes)))
    reasons = _reasons(scores, fold.test.qualities, border)
    done = time.perf_counter()
    milliseconds = 1000 * (done - ready) / len(reasons)
    return Said(scores.probabilities, reasons, ready - start, milliseconds, len(to_bytes(model)), {})


def _unjudged(config: Config, probabilities: NDArray[np.float64]) -> Scores:
    """Scores of frames whose familiarity nobody judged."""
    return Scores(config.classes, probabilities, np.zeros(len(probabilities)))


def _reasons(scores: Scores, qualities: Sequence[Quality], border: float) -> tuple[str, ...]:
    return tuple(verdict.reason for verdict in decide(scores, qualities, min_confidence=border))


def _luminance(qualities: Sequence[Quality]) -> NDArray[np.float64]:
    return np.array([[quality.luminance] for quality in qualities])
