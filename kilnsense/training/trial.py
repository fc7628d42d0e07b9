"""A trial: models trained on some runs, judged on runs they have not seen, beside what they must beat."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from kilnsense.classify.metrics import balanced_accuracy, macro_f1
from kilnsense.classify.models import build_classifier, class_probabilities
from kilnsense.config import ClassifierConfig, Config
from kilnsense.data.labelled import Labelled
from kilnsense.data.splits import check_disjoint
from kilnsense.features.descriptors import split_blocks
from kilnsense.recogniser import Sight, look
from kilnsense.segment.codebook import Codebook
from kilnsense.training.evaluate import Measures, evaluate
from kilnsense.training.learn import Trained, fit_model


@dataclass(frozen=True)
class Row:
    """One way to judge the same unseen frames.

    Attributes:
        classifier: name in CLASSIFIERS.
        features: what it looks at.
        baseline: True for what a model must beat to be worth its cost; it names a state for every frame.
        measures: shares of the frames.
    """

    classifier: str
    features: str
    baseline: bool
    measures: Measures

    def flat(self) -> dict[str, str | bool | float]:
        """All of it as one mapping, for a table."""
        return {
            "classifier": self.classifier,
            "features": self.features,
            "baseline": self.baseline,
            **asdict(self.measures),
        }


BASELINES = (
    ("majority", "none"),
    ("knn", "mean luminance"),
    ("knn", "16x16 pixels"),
    ("svm", "16x16 pixels"),
    ("mlp", "16x16 pixels"),
    ("knn", "region statistics"),
    ("svm", "region statistics"),
    ("mlp", "region statistics"),
    ("svm", "descriptors"),
)
"""(classifier, features): what is compared with every model, from nothing at all to all descriptors."""


def compare_models(
    config: Config, trained: Trained, test: Labelled, *, classifiers: Sequence[str], features: str
) -> list[Row]:
    """One row per classifier, each a whole model on the same trained networks.

    Args:
        config: the model; its classifier is replaced, with the options of the config where it is the same.
        trained: networks and looked-at frames, see `train_networks`.
        test: frames of groups that training has not seen.
        classifiers: names in CLASSIFIERS.
        features: how the rows are called.

    Raises:
        InputError: a group is in training too, or there are no frames.
    """
    check_disjoint(trained.data.groups.tolist(), test.groups.tolist())
    sights = look_all(test, trained.codebook, config)
    rows = []
    for name in classifiers:
        learned = fit_model(with_classifier(config, name), trained)
        rows.append(Row(name, features, False, evaluate(learned.recogniser, sights, test.labels).measures))
    return rows


def compare_baselines(config: Config, trained: Trained, test: Labelled) -> list[Row]:
    """One row for each of `BASELINES`, fitted on the frames of `trained`."""
    sights = look_all(test, trained.codebook, config)
    rows = []
    for kind, features in BASELINES:
        model = build_classifier(kind, {}, seed=config.seed)
        model.fit(_columns(trained.sights, features, config), trained.data.labels)
        table = class_probabilities(model, _columns(sights, features, config), classes=len(config.classes))
        rows.append(Row(kind, features, True, _named_always(table.argmax(axis=1), test.labels, config)))
    return rows


def look_all(data: Labelled, codebook: Codebook, config: Config) -> tuple[Sight, ...]:
    """All frames of a labelled set, looked at."""
    return tuple(look(frame, codebook, config) for frame in data.frames)


def with_classifier(config: Config, name: str) -> Config:
    """The same config with another classifier at its defaults; the very same where it is that one already."""
    if config.classifier.kind == name:
        return config
    return config.model_copy(update={"classifier": ClassifierConfig(kind=name)})


def _columns(sights: Sequence[Sight], features: str, config: Config) -> NDArray[np.float32]:
    descriptors = np.stack([sight.descriptors for sight in sights])
    blocks = split_blocks(descriptors, config.segment.names)
    if features == "16x16 pixels":
        return blocks["thumbnail"]
    if features == "region statistics":
        return blocks["region"]
    if features == "descriptors":
        return descriptors
    return np.array([[sight.quality.luminance] for sight in sights], np.float32)


def _named_always(predicted: NDArray[np.intp], truth: NDArray[np.int64], config: Config) -> Measures:
    right = float(np.mean(predicted == truth))
    return Measures(
        balanced_accuracy=balanced_accuracy(truth, predicted, classes=len(config.classes)),
        macro_f1=macro_f1(truth, predicted, classes=len(config.classes)),
        coverage=1.0,
        accepted_accuracy=right,
        unfamiliar=0.0,
        accepted_wrong=1.0 - right,
    )
