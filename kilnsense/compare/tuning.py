"""A small search for the options of a classifier, within the training part of a fold."""

import itertools
from collections.abc import Iterator

import numpy as np

from kilnsense.classify.measures import MEASURES, cost_table
from kilnsense.classify.tally import count
from kilnsense.config import ClassifierConfig, Config, Options
from kilnsense.training.crossfit import cross_fit
from kilnsense.training.fit_rows import Rows

GRIDS: dict[str, dict[str, tuple[float | str | tuple[int, ...], ...]]] = {
    "knn": {"neighbours": (9, 5, 15, 25)},
    "svm": {"c": (0.5, 0.1, 2.0, 8.0), "gamma": (0.2, 0.05)},
    "mlp": {"decay": (0.07, 0.02, 0.25), "hidden": ((64,), (16,))},
    "prototype": {"sharpness": (4.0, 2.0, 8.0)},
    "logistic": {"c": (0.005, 0.0005, 0.05, 0.5)},
    "lda": {"shrinkage": (0.5, 0.2, 0.9, "auto")},
    "forest": {"leaf": (2, 5, 10)},
}
"""Classifier to the values of its options that are tried; the first of each is its default."""


def tuned_options(config: Config, rows: Rows, metric: str) -> Options:
    """The options with the best score on the left-out groups of the inner folds; of equals the first.

    Options of the config are tried first, where there are any, then the grid over them.

    Args:
        config: the model; the classifier that is tuned is its own.
        rows: training frames of a fold, with its inner folds.
        metric: a name of MEASURES; one of verdicts is replaced by macro F1, since there are none yet.
    """
    measure = MEASURES["macro_f1" if metric in ("coverage", "accepted_accuracy") else metric]
    costs, sign = cost_table(config.decide.costs, len(config.classes)), 1.0 if measure.higher else -1.0
    frames = len(rows.labels)
    best, chosen = -np.inf, config.classifier.options
    for options in _candidates(config.classifier):
        classifier = ClassifierConfig(kind=config.classifier.kind, options=options)
        tried = config.model_copy(update={"classifier": classifier})
        said = cross_fit(tried, rows.descriptors, rows.labels, rows.folds).probabilities
        tally = count(rows.labels, said, np.ones(frames, bool), np.zeros(frames, np.intp), places=1)
        score = sign * float(measure.value(tally, costs)[0])
        if score > best:
            best, chosen = score, options
    return chosen


def _candidates(classifier: ClassifierConfig) -> Iterator[Options]:
    grid = GRIDS.get(classifier.kind, {})
    if classifier.options:
        yield classifier.options
    for values in itertools.product(*grid.values()):
        yield {**classifier.options, **dict(zip(grid, values, strict=True))}
