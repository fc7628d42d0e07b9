"""A trial: a model trained on some runs, judged on runs it has not seen, beside what it must beat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kilnsense.assemble import make_fuser
from kilnsense.classify.metrics import balanced_accuracy, macro_f1
from kilnsense.classify.models import class_probabilities
from kilnsense.config import ClassifierConfig, Config
from kilnsense.data.labelled import Labelled
from kilnsense.data.splits import check_disjoint
from kilnsense.recogniser import Recogniser, Sight, look, represent
from kilnsense.training.evaluate import BASELINES, Evaluation, baseline_predictions, evaluate
from kilnsense.training.train import Learned


@dataclass(frozen=True)
class Contender:
    """One way to judge the same frames.

    Attributes:
        name: classifier, or baseline.
        features: what it looks at.
        balanced_accuracy, macro_f1: over all frames, abstentions or not.
        baseline: True for what a model must beat to be worth its cost.
    """

    name: str
    features: str
    balanced_accuracy: float
    macro_f1: float
    baseline: bool


@dataclass(frozen=True, eq=False)
class Trial:
    """What came of it.

    Attributes:
        evaluation: of the held-out frames by the model.
        sights: those frames, looked at.
        contenders: the compared classifiers on the model's features, then the baselines, each best first.
    """

    evaluation: Evaluation
    sights: tuple[Sight, ...]
    contenders: tuple[Contender, ...]


def try_out(
    learned: Learned, recogniser: Recogniser, held_out: Labelled, *, classifiers: Sequence[str]
) -> Trial:
    """Judges held-out frames by a model, by other classifiers on its features, and by the baselines.

    Args:
        learned: the model in training form.
        recogniser: the same model as it is used, from its bundle.
        held_out: frames of groups that training has not seen.
        classifiers: names of CLASSIFIERS to compare.

    Raises:
        InputError: a group is in training too, or there are no frames.
    """
    check_disjoint(learned.data.groups.tolist(), held_out.groups.tolist())
    sights = tuple(look(frame, recogniser.codebook, recogniser.config) for frame in held_out.frames)
    evaluation = evaluate(recogniser, sights, held_out.labels)
    compared = [
        _contender(name, "fused", predicted, held_out, baseline=False)
        for name, predicted in compare_classifiers(learned, recogniser, sights, classifiers).items()
    ]
    config = recogniser.config
    baselines = [
        _contender(
            name,
            "",
            baseline_predictions(
                name,
                learned.sights,
                learned.data.labels,
                sights,
                classes=len(config.classes),
                seed=config.seed,
            ),
            held_out,
            baseline=True,
        )
        for name in BASELINES
    ]
    return Trial(evaluation, sights, (*_best_first(compared), *_best_first(baselines)))


def compare_classifiers(
    learned: Learned, recogniser: Recogniser, sights: Sequence[Sight], classifiers: Sequence[str]
) -> Mapping[str, NDArray[np.int64]]:
    """(N,) predictions by classifier name, all on the features of one trained model."""
    train, _ = represent(learned.sights, recogniser.encode, recogniser.config)
    test, _ = represent(sights, recogniser.encode, recogniser.config)
    predictions = {}
    for name in classifiers:
        config = _with_classifier(recogniser.config, name)
        fuser = make_fuser(config, train, evidence=learned.evidence).fit(train.values, learned.data.labels)
        probabilities = class_probabilities(fuser, test.values, classes=len(config.classes))
        predictions[name] = probabilities.argmax(axis=1).astype(np.int64)
    return predictions


def _with_classifier(config: Config, name: str) -> Config:
    if config.classifier.kind == name:
        return config
    return config.model_copy(update={"classifier": ClassifierConfig(kind=name)})


def _contender(
    name: str, features: str, predicted: NDArray[np.int64], data: Labelled, *, baseline: bool
) -> Contender:
    count = len(data.classes)
    return Contender(
        name=name,
        features=features,
        balanced_accuracy=balanced_accuracy(data.labels, predicted, classes=count),
        macro_f1=macro_f1(data.labels, predicted, classes=count),
        baseline=baseline,
    )


def _best_first(contenders: Sequence[Contender]) -> list[Contender]:
    return sorted(contenders, key=lambda contender: -contender.balanced_accuracy)
