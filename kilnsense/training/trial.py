"""A trial: models trained on some runs, judged on runs they have not seen, beside what they must beat."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilnsense.classify.models import build_classifier, class_probabilities
from kilnsense.config import ClassifierConfig, Config
from kilnsense.data.folders import read_samples
from kilnsense.data.labelled import Labelled, read_labelled
from kilnsense.data.splits import check_disjoint, split_held_out
from kilnsense.errors import ConfigError
from kilnsense.features.descriptors import split_blocks
from kilnsense.recogniser import Recogniser, Sight, look, to_record
from kilnsense.segment.codebook import Codebook
from kilnsense.training.evaluate import Evaluation, Measures, evaluate, measure
from kilnsense.training.learn import Learned, Trained, fit_model
from kilnsense.types import Record


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

FEW_BASELINES = (
    ("majority", "none"),
    ("knn", "mean luminance"),
    ("svm", "16x16 pixels"),
    ("mlp", "16x16 pixels"),
    ("svm", "region statistics"),
    ("svm", "descriptors"),
)
"""One or two of each kind of features, the strongest known among them, for a quick comparison."""

Baselines = Sequence[tuple[str, str]]


def compare_models(
    config: Config,
    trained: Trained,
    sights: Sequence[Sight],
    labels: NDArray[np.int64],
    *,
    classifiers: Sequence[str],
    features: str,
) -> list[Row]:
    """One row per classifier, each a whole model on the same trained networks.

    Args:
        config: the model; its classifier is replaced, with the options of the config where it is the same.
        trained: networks and looked-at frames, see `train_networks`.
        sights, labels: frames of groups that training has not seen, looked at, and their class indices.
        classifiers: names in CLASSIFIERS.
        features: how the rows are called.

    Raises:
        InputError: there are no frames.
    """
    rows = []
    for name in classifiers:
        learned = fit_model(with_classifier(config, name), trained)
        rows.append(Row(name, features, False, evaluate(learned.recogniser, sights, labels).measures))
    return rows


def compare_baselines(
    config: Config,
    trained: Trained,
    sights: Sequence[Sight],
    labels: NDArray[np.int64],
    *,
    baselines: Baselines = BASELINES,
) -> list[Row]:
    """One row for each of the baselines, fitted on the frames of `trained`."""
    named = np.full(len(labels), "accepted")
    count = len(config.classes)
    return [
        Row(kind, features, True, measure(labels, predicted, named, classes=count))
        for kind, features, predicted in judge_baselines(config, trained, sights, baselines=baselines)
    ]


def judge_baselines(
    config: Config, trained: Trained, sights: Sequence[Sight], *, baselines: Baselines = BASELINES
) -> Iterator[tuple[str, str, NDArray[np.int64]]]:
    """Classifier, features and (N,) predicted class indices for each of the baselines."""
    for kind, features in baselines:
        model = build_classifier(kind, {}, seed=config.seed)
        model.fit(_columns(trained.sights, features, config), trained.data.labels)
        table = class_probabilities(model, _columns(sights, features, config), classes=len(config.classes))
        yield kind, features, table.argmax(axis=1).astype(np.int64)


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


@dataclass(frozen=True, eq=False)
class Trial:
    """What became of held-out frames.

    Attributes:
        evaluation: of the frames by the model as it is used, from its bundle.
        sights: the frames, looked at.
        records: their rows.
        data: their labels.
        rows: the model, the compared classifiers on the same networks, and the baselines.
    """

    evaluation: Evaluation
    sights: tuple[Sight, ...]
    records: tuple[Record, ...]
    data: Labelled
    rows: tuple[Row, ...]


def judge_held_out(
    config: Config,
    learned: Learned,
    recogniser: Recogniser,
    *,
    base: Path = Path(),
    classifiers: Sequence[str] = ("knn", "svm", "mlp"),
    baselines: Baselines = FEW_BASELINES,
) -> Trial:
    """Judges the groups of `data.held_out` by a model that was trained without them.

    Args:
        config: names the data and the held-out groups.
        learned: the model in training form, for the other classifiers.
        recogniser: the same model from its bundle.
        base: what a relative `data.root` starts from.
        classifiers: compared on the same networks.
        baselines: compared too.

    Raises:
        ConfigError: no group is held out.
        InputError: a held-out group was trained on, or none of its pictures is usable.
    """
    if not config.data.held_out:
        raise ConfigError("data.held_out: got no group, allowed: one or more groups of the manifest to judge")
    _, kept_apart = split_held_out(read_samples(config.data, config.classes, base=base), config.data.held_out)
    data, _ = read_labelled(kept_apart, config, base=base)
    trained = learned.trained
    check_disjoint(trained.data.groups.tolist(), data.groups.tolist())
    sights = look_all(data, recogniser.codebook, config)
    evaluation = evaluate(recogniser, sights, data.labels)
    compared = compare_models(config, trained, sights, data.labels, classifiers=classifiers, features="fused")
    beaten = compare_baselines(config, trained, sights, data.labels, baselines=baselines)
    return Trial(
        evaluation=evaluation,
        sights=sights,
        records=tuple(
            to_record(frame, verdict, recogniser.model_id)
            for frame, verdict in zip(data.frames, evaluation.verdicts, strict=True)
        ),
        data=data,
        rows=(*_best_first(compared), *_best_first(beaten)),
    )


def _best_first(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: -row.measures.balanced_accuracy)
