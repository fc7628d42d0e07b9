"""What is judged of frames: all that a model looks at, or a part of it alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kilnsense.assemble import make_fuser
from kilnsense.classify.models import class_probabilities
from kilnsense.config import Config, StudyConfig
from kilnsense.recogniser import Sight, join
from kilnsense.study.branches import Compared
from kilnsense.study.plan import NEAREST
from kilnsense.training.trial import with_classifier

FUSED, BRANCHES = "fused", "branches"

Rows = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind of features.

    Attributes:
        name: how it is called in the scores.
        compared: the branches that are looked at; None: none.
        descriptors: whether the descriptors are.
        judges: who looks at it; `NEAREST` only where the descriptors are not.
    """

    name: str
    compared: Compared | None
    descriptors: bool
    judges: tuple[str, ...]


BARE = Kind("descriptors", None, True, ())
"""The descriptors alone."""


def kinds(study: StudyConfig, config: Config, compared: Compared | None) -> Iterator[Kind]:
    """All that the model looks at, the branches for `NEAREST`, and with `study.parts` every part.

    Args:
        study, config: what is wanted, and what the model fuses.
        compared: what the networks say of the frames; None: there are none.
    """
    classifiers = tuple(judge for judge in study.judges if judge != NEAREST)
    if compared is None:
        yield replace(BARE, judges=classifiers)
        return
    if config.fusion.descriptors:
        yield Kind(FUSED, compared, True, classifiers)
    whole = study.parts or not config.fusion.descriptors
    near = tuple(judge for judge in study.judges if judge == NEAREST)
    yield Kind(BRANCHES, compared, False, study.judges if whole else near)
    if not study.parts:
        return
    names = compared.embeddings.names
    for branch in range(len(names) if len(names) > 1 else 0):
        yield Kind(names[branch], compared.only(branch), False, study.judges)
    yield replace(BARE, judges=classifiers)


def classify(
    config: Config,
    judge: str,
    kind: Kind,
    sights: Sequence[Sight],
    labels: NDArray[np.int64],
    train: Rows,
    test: Rows,
) -> NDArray[np.int64]:
    """What a classifier fitted on the training rows says of the test rows.

    Args:
        config: fusion, seed, and the options of the classifier where it is the configured one.
        judge: a name of CLASSIFIERS.
        kind: what it looks at.
        sights, labels: N frames that were looked at, and their (N,) class indices.
        train, test: rows of them.

    Returns:
        The class index of each test row.
    """
    fusion = config.fusion.model_copy(update={"descriptors": kind.descriptors})
    own = with_classifier(config, judge).model_copy(update={"fusion": fusion})
    descriptors = np.stack([sight.descriptors for sight in sights])
    features, _ = join(descriptors, kind.compared.embeddings if kind.compared else None, own)
    fuser = make_fuser(own, features, evidence=None).fit(features.values[train], labels[train])
    table = class_probabilities(fuser, features.values[test], classes=len(config.classes))
    said: NDArray[np.int64] = table.argmax(axis=1)
    return said
