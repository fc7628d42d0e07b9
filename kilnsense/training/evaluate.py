"""How good a model is on labelled frames that it has not seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilnsense.classify.decide import decide
from kilnsense.classify.metrics import accepted_accuracy, balanced_accuracy, coverage, macro_f1
from kilnsense.errors import InputError
from kilnsense.recogniser import Recogniser, Sight, score
from kilnsense.types import Scores, Verdict

BATCH = 32
"""Frames judged together."""


@dataclass(frozen=True)
class Measures:
    """Shares of N frames, 0..1.

    Attributes:
        balanced_accuracy, macro_f1: of the most probable class, over all frames, abstentions or not.
        coverage: share of the frames whose state was accepted.
        accepted_accuracy: share of the accepted states that are right.
        unfamiliar: share of the frames called unfamiliar.
        accepted_wrong: share of all frames that were accepted and wrong.
    """

    balanced_accuracy: float
    macro_f1: float
    coverage: float
    accepted_accuracy: float
    unfamiliar: float
    accepted_wrong: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model said of N labelled frames.

    Attributes:
        truth, predicted: (N,) class indices.
        scores: of the N frames.
        verdicts: one each.
        measures: their summary.
    """

    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    scores: Scores
    verdicts: tuple[Verdict, ...]
    measures: Measures


def evaluate(recogniser: Recogniser, sights: Sequence[Sight], labels: NDArray[np.int64]) -> Evaluation:
    """Judges labelled frames; the caller sees to it that the model has not seen their groups.

    Raises:
        InputError: no frames.
    """
    if not sights:
        raise InputError("evaluation: got no frames, allowed: one or more")
    parts = [score(sights[start : start + BATCH], recogniser) for start in range(0, len(sights), BATCH)]
    scores = Scores(
        recogniser.config.classes,
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.unfamiliarity for part in parts]),
    )
    verdicts = decide(scores, [sight.quality for sight in sights], min_confidence=recogniser.min_confidence)
    return summarise(scores, verdicts, labels)


def summarise(scores: Scores, verdicts: Sequence[Verdict], labels: NDArray[np.int64]) -> Evaluation:
    """The measures of scores and verdicts against the truth."""
    predicted = scores.probabilities.argmax(axis=1).astype(np.int64)
    reasons = np.array([verdict.reason for verdict in verdicts])
    measures = measure(labels, predicted, reasons, classes=len(scores.classes))
    return Evaluation(labels, predicted, scores, tuple(verdicts), measures)


def measure(
    truth: NDArray[np.int64], predicted: NDArray[np.int64], reasons: NDArray[np.str_], *, classes: int
) -> Measures:
    """The measures of N frames from their (N,) true and predicted class indices and verdicts' reasons."""
    accepted = reasons == "accepted"
    return Measures(
        balanced_accuracy=balanced_accuracy(truth, predicted, classes=classes),
        macro_f1=macro_f1(truth, predicted, classes=classes),
        coverage=coverage(accepted),
        accepted_accuracy=accepted_accuracy(truth, predicted, accepted),
        unfamiliar=float(np.mean(reasons == "unfamiliar")),
        accepted_wrong=float(np.mean(accepted & (predicted != truth))),
    )
