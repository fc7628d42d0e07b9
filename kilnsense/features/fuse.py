"""Fusion: the blocks of one row (one per branch, and the descriptors) become one opinion.

`to_features` lays the blocks side by side. A branch block ends with its presence column (1 or 0); where a
branch had nothing to see its values are zeros, and every fuser replaces them by the mean of the present
training rows, which it learned in `fit` and stores: training and serving fill alike, and the row still says
by its presence column that it was filled.

A fuser is an estimator (`fit(X, y)`, `predict_proba(X)`, `classes_`) over the columns of `Features.values`;
`y` are class indices. The embeddings of training frames come from networks that were trained on them, so
they look better than they are: what `weighted` and `stack` learn about the blocks comes from out-of-fold
evidence (`block_probabilities` per fold, laid together), never from the rows given to `fit`.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.pipeline import Pipeline

from kilnsense.classify.estimators import softmax
from kilnsense.classify.metrics import balanced_accuracy
from kilnsense.classify.models import Classifier
from kilnsense.errors import ConfigError, InputError
from kilnsense.features.fusers import SMALLEST, BlockPCA, Blocks, BlockVote, BlockWhiten, FillAbsent
from kilnsense.parts import build, pick
from kilnsense.types import Embeddings, Features

DESCRIPTORS = "descriptors"
"""Name of the block of hand-made descriptors; names that start with it have no presence column."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What each block alone says of frames whose group it did not see.

    Attributes:
        probabilities: (N, B, C) float64 of `block_probabilities`, the folds laid together.
        labels: (N,) class indices of the same frames.
    """

    probabilities: NDArray[np.float64]
    labels: NDArray[np.integer[Any]]

    def __post_init__(self) -> None:
        shape = self.probabilities.shape
        if len(shape) != 3 or shape[0] != len(self.labels) or shape[0] == 0:
            raise InputError(
                f"fusion evidence: got probabilities {shape} and {len(self.labels)} labels, "
                "allowed: (N, blocks, C) and N, N > 0"
            )


def to_features(
    embeddings: Embeddings | None,
    descriptors: NDArray[np.float32] | None,
    *,
    descriptor_blocks: Blocks = (),
) -> Features:
    """Rows for the fusers: per branch D values and its presence column, then the descriptors.

    Args:
        embeddings: of N frames, or None.
        descriptors: (N, F) float32 of the same frames, or None.
        descriptor_blocks: (name, start, stop) that tile the F columns, to judge parts of the descriptors as
            blocks of their own (they are named ``descriptors:<name>``); empty: one block ``descriptors``.

    Raises:
        InputError: neither is given, or they are of different lengths.
    """
    parts: list[NDArray[np.float32]] = []
    blocks: list[tuple[str, int, int]] = []
    if embeddings is not None:
        width = embeddings.values.shape[2] + 1
        for index, name in enumerate(embeddings.names):
            present = embeddings.present[:, index, None].astype(np.float32)
            parts += [embeddings.values[:, index] * present, present]
            blocks.append((name, index * width, (index + 1) * width))
    if descriptors is not None:
        start = blocks[-1][2] if blocks else 0
        parts.append(np.asarray(descriptors, dtype=np.float32))
        for name, first, last in descriptor_blocks or (("", 0, descriptors.shape[1]),):
            blocks.append((f"{DESCRIPTORS}:{name}" if name else DESCRIPTORS, start + first, start + last))
    if not parts or len({len(part) for part in parts}) != 1:
        lengths = [len(part) for part in parts]
        raise InputError(
            f"fusion: got parts of {lengths} rows, allowed: embeddings, descriptors or both, of one length"
        )
    return Features(values=np.concatenate(parts, axis=1), blocks=tuple(blocks))


def block_probabilities(
    train: Features,
    labels: NDArray[np.integer[Any]],
    test: Features,
    *,
    classifier: Callable[[], Any],
    classes: int,
) -> NDArray[np.float64]:
    """What a classifier fitted on each block alone says of the test frames.

    Args:
        train: rows of the fold's training groups.
        labels: (N_train,) class indices 0..classes-1.
        test: rows of the left-out groups, from the same networks.
        classifier: returns an unfitted classifier.
        classes: C.

    Returns:
        (N_test, B, C) float64, rows over C sum to 1.

    Raises:
        InputError: the two have different blocks, or the classifier cannot be fitted.
    """
    if train.blocks != test.blocks:
        raise InputError(f"fusion: got test blocks {test.blocks}, allowed: those of training, {train.blocks}")
    voter = vote(blocks=train.blocks, classifier=classifier).fit(train.values, labels)
    table = np.zeros((len(test.values), len(train.blocks), classes))
    if len(test.values):
        table[:, :, np.asarray(voter.classes_, dtype=np.intp)] = voter.block_probabilities(test.values)
    return table


def concat(*, blocks: Blocks, classifier: Callable[[], Any]) -> Pipeline:
    """All blocks side by side, each whitened and counting alike (`BlockWhiten`); one classifier."""
    return _one_row(blocks, BlockWhiten(blocks), _unscaled(classifier))


def weighted(*, blocks: Blocks, classifier: Callable[[], Any], evidence: Evidence) -> Pipeline:
    """As `concat`, but every block counts by its weight.

    The weight of a block is its skill alone, (balanced accuracy - chance) / (1 - chance) out of fold, at
    least 0, divided by the largest; all 1 where no block has skill.
    """
    weights = tuple(float(value) for value in block_skill(evidence))
    _same_blocks(blocks, len(weights))
    return _one_row(blocks, BlockWhiten(blocks, weights=weights), _unscaled(classifier))


def pca(*, blocks: Blocks, classifier: Callable[[], Any], components: int = 32) -> Pipeline:
    """Principal components of all branch columns together, beside the descriptors; one classifier."""
    return _one_row(blocks, BlockPCA(columns=_branch_columns(blocks), components=components), classifier())


def vote(*, blocks: Blocks, classifier: Callable[[], Any]) -> BlockVote:
    """The mean of the probabilities of one classifier per block."""
    even = (1.0 / len(blocks),) * len(blocks)
    return BlockVote(
        classifier(), blocks=blocks, fillable=_fillable(blocks), weights=even, bias=(), pool="mean"
    )


def blend(*, blocks: Blocks, classifier: Callable[[], Any]) -> BlockVote:
    """The mean of two opinions: one classifier on all branches side by side, one on the descriptors.

    The embeddings of training frames look better than those of new frames, so one classifier on both
    leans on the branches too much. Here neither can outvote the other, and where they contradict each other
    the probability falls. With one of the two alone it is that one's opinion.
    """
    branches = _fillable(blocks)
    sides = [side for side in (branches, blocks[len(branches) :]) if side]
    return BlockVote(
        _unscaled(classifier),
        blocks=tuple((side[0][0], side[0][1], side[-1][2]) for side in sides),
        fillable=branches,
        weights=(1.0 / len(sides),) * len(sides),
        bias=(),
        pool="mean",
        parts=tuple(tuple((name, a - side[0][1], b - side[0][1]) for name, a, b in side) for side in sides),
    )


def stack(*, blocks: Blocks, classifier: Callable[[], Any], evidence: Evidence) -> BlockVote:
    """Logistic stacking: ln p = sum_b weight_b ln p_b + bias, weights not negative, learned out of fold."""
    weights, bias = stack_weights(evidence)
    _same_blocks(blocks, len(weights))
    return BlockVote(
        _unscaled(classifier),
        blocks=blocks,
        fillable=_fillable(blocks),
        weights=weights,
        bias=bias,
        pool="logs",
    )


FUSERS: dict[str, Callable[..., Any]] = {
    "concat": concat,
    "weighted": weighted,
    "pca": pca,
    "vote": vote,
    "blend": blend,
    "stack": stack,
}
"""Name to builder of an unfitted fuser."""

NEEDS_EVIDENCE = ("weighted", "stack")
"""The fusers that learn from out-of-fold `Evidence`."""


def build_fuser(
    kind: str,
    *,
    blocks: Blocks,
    classifier: Callable[[], Any],
    components: int = 32,
    evidence: Evidence | None = None,
) -> Classifier:
    """An unfitted fuser; each kind is given those of the settings that it takes.

    Args:
        kind: a name of `FUSERS`.
        blocks: `Features.blocks` of the rows that it will see.
        classifier: returns an unfitted classifier, such as from `build_classifier`.
        components: of pca.
        evidence: needed by the kinds of `NEEDS_EVIDENCE`.

    Raises:
        ConfigError: unknown kind, or `evidence` missing.
        InputError: the evidence has another number of blocks.
    """
    if kind in NEEDS_EVIDENCE and evidence is None:
        raise ConfigError(f"fuser {kind!r}: needs out-of-fold evidence, got none; give `evidence`")
    offered: Mapping[str, Any] = {
        "blocks": blocks,
        "classifier": classifier,
        "components": components,
        "evidence": evidence,
    }
    taken = inspect.signature(pick(FUSERS, kind, kind="fuser")).parameters
    fuser: Classifier = build(FUSERS, kind, {name: offered[name] for name in taken}, kind="fuser")
    return fuser


def block_skill(evidence: Evidence) -> NDArray[np.float64]:
    """(B,) skill of each block alone: (balanced accuracy - 1/C) / (1 - 1/C), at least 0, largest 1."""
    count = evidence.probabilities.shape[2]
    predicted = evidence.probabilities.argmax(axis=2)
    scores = np.array([balanced_accuracy(evidence.labels, column, classes=count) for column in predicted.T])
    skill = np.maximum(scores - 1.0 / count, 0.0)
    return skill / skill.max() if skill.max() > 0 else np.ones_like(skill)


def stack_weights(
    evidence: Evidence, *, strength: float = 0.02
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Weights (B, not negative) and class biases (C) of a pool of logarithms, by penalised likelihood.

    Minimises the class-balanced log-loss plus `strength` * (B * sum (w - 1/B)^2 + sum bias^2): with little
    evidence it stays near the plain mean of logarithms.
    """
    logs = np.log(np.maximum(evidence.probabilities, SMALLEST))
    rows, count, classes = logs.shape
    share = np.bincount(evidence.labels, minlength=classes)[evidence.labels]
    importance = 1.0 / share
    importance /= importance.sum()
    target = np.eye(classes)[evidence.labels]

    def objective(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, bias = parameters[:count], parameters[count:]
        fitted = softmax(np.einsum("nbc,b->nc", logs, weights) + bias)
        loss = -(importance * np.log(fitted[np.arange(rows), evidence.labels] + 1e-300)).sum()
        slope = importance[:, None] * (fitted - target)
        away = weights - 1.0 / count
        loss += strength * (count * (away**2).sum() + (bias**2).sum())
        gradient = np.concatenate([np.einsum("nc,nbc->b", slope, logs), slope.sum(axis=0)])
        gradient += 2 * strength * np.concatenate([count * away, bias])
        return float(loss), gradient

    start = np.concatenate([np.full(count, 1.0 / count), np.zeros(classes)])
    bounds = [(0.0, 5.0)] * count + [(-3.0, 3.0)] * classes
    best = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return tuple(map(float, best[:count])), tuple(map(float, best[count:]))


def _one_row(blocks: Blocks, together: Any, model: Any) -> Pipeline:
    return Pipeline([("fill", FillAbsent(_fillable(blocks))), ("together", together), ("model", model)])


def _unscaled(classifier: Callable[[], Any]) -> Any:
    """The classifier without its own scaling by column, which would undo the weights of the blocks."""
    model = classifier()
    return model.set_params(scale__columnwise=False) if "scale__columnwise" in model.get_params() else model


def _fillable(blocks: Blocks) -> Blocks:
    return tuple(block for block in blocks if not block[0].startswith(DESCRIPTORS))


def _branch_columns(blocks: Blocks) -> tuple[int, ...]:
    return tuple(column for _, start, stop in _fillable(blocks) for column in range(start, stop))


def _same_blocks(blocks: Blocks, judged: int) -> None:
    if len(blocks) != judged:
        raise InputError(f"fusion evidence: got {judged} blocks, allowed: {len(blocks)} as in the features")
