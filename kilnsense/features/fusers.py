"""The estimators behind `kilnsense.features.fuse`, with plain attributes so that skops can store them."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline

from kilnsense.classify.estimators import Standardise, check_labels, check_rows, softmax
from kilnsense.classify.whiten import fit_whitening

Floats = NDArray[np.floating[Any]]
Blocks = tuple[tuple[str, int, int], ...]
SMALLEST = 1e-3
"""Block probabilities are lifted to this before a logarithm, so that one block cannot veto."""


class FillAbsent(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Replaces the values of absent branches by the mean of the training rows where the branch is present.

    Args:
        blocks: (name, start, stop) whose last column says 1 for present, 0 for absent.
    """

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks

    def fit(self, X: Floats, y: NDArray[np.generic] | None = None) -> Self:
        """Learns the mean of the present rows, block by block; zeros for a block that is never present."""
        rows = check_rows(X)
        if y is not None:
            check_labels(y, rows=len(rows))
        self.n_features_in_ = rows.shape[1]
        self.fill_ = np.zeros(rows.shape[1])
        for _, start, stop in self.blocks:
            present = rows[:, stop - 1] > 0.5
            if present.any():
                self.fill_[start : stop - 1] = rows[present, start : stop - 1].mean(axis=0)
        return self

    def transform(self, X: Floats) -> NDArray[np.float64]:
        """(N, F) rows without gaps; presence columns stay. Raises InputError."""
        rows = check_rows(X, columns=self.n_features_in_).copy()
        for _, start, stop in self.blocks:
            absent = rows[:, stop - 1] <= 0.5
            rows[absent, start : stop - 1] = self.fill_[start : stop - 1]
        return rows


class BlockWhiten(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Every block in its own damped, whitened principal components, times weight / sqrt(their number).

    So every block counts as much as its weight says, however many columns it has; a raw picture is reduced
    to its first components. At the end all columns are multiplied alike, so that their mean square is 1,
    which classifiers with a fixed penalty expect.

    Args:
        blocks: (name, start, stop) of the blocks.
        weights: one per block, 0 and up, not all 0; empty: all alike.
    """

    def __init__(self, blocks: Blocks, *, weights: tuple[float, ...] = ()) -> None:
        self.blocks = blocks
        self.weights = weights

    def fit(self, X: Floats, y: NDArray[np.generic] | None = None) -> Self:
        """Learns the components of each block of (N, F) rows."""
        rows = check_rows(X)
        if y is not None:
            check_labels(y, rows=len(rows))
        weights = self.weights or (1.0,) * len(self.blocks)
        self.whitenings_ = [fit_whitening(rows[:, start:stop]) for _, start, stop in self.blocks]
        parts = zip(self.whitenings_, weights, strict=True)
        self.factors_ = [weight / np.sqrt(len(part.widths)) for part, weight in parts]
        mean_square = np.square(self._joined(rows)).mean()
        self.overall_ = float(1.0 / np.sqrt(max(mean_square, 1e-12)))
        return self

    def transform(self, X: Floats) -> NDArray[np.float64]:
        """(N, K) whitened rows, the blocks in order."""
        return self._joined(X) * self.overall_

    def _joined(self, X: Floats) -> NDArray[np.float64]:
        rows = check_rows(X)
        parts = zip(self.whitenings_, self.factors_, self.blocks, strict=True)
        return np.concatenate(
            [part.whitened(rows[:, start:stop]) * factor for part, factor, (_, start, stop) in parts], axis=1
        )


class BlockPCA(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Whitened principal components of some columns, beside the others as they are.

    Components that hold less than 1e-6 of the variance are dropped: whitening would blow up their noise.
    """

    def __init__(self, *, columns: tuple[int, ...], components: int) -> None:
        self.columns = columns
        self.components = components

    def fit(self, X: Floats, y: NDArray[np.generic] | None = None) -> Self:
        """Learns scales and components of (N, F) rows; at most `components`, rows - 1 or columns of them."""
        rows = check_rows(X)
        self.chosen_ = np.array(self.columns, dtype=np.intp)
        self.rest_ = np.setdiff1d(np.arange(rows.shape[1]), self.chosen_)
        if len(self.chosen_):
            self.scale_ = Standardise().fit(rows[:, self.chosen_], y)
            scaled = self.scale_.transform(rows[:, self.chosen_])
            most = min(self.components, len(rows) - 1, len(self.chosen_))
            self.pca_ = PCA(most, svd_solver="full").fit(scaled)
            keep = max(1, int((self.pca_.explained_variance_ratio_ > 1e-6).sum()))
            spread = np.sqrt(np.maximum(self.pca_.explained_variance_[:keep], 1e-12))
            self.axes_ = self.pca_.components_[:keep].T / spread
        return self

    def transform(self, X: Floats) -> NDArray[np.float64]:
        """(N, components + other columns)."""
        rows = check_rows(X)
        if not len(self.chosen_):
            return rows
        scaled = self.scale_.transform(rows[:, self.chosen_]) - self.pca_.mean_
        return np.concatenate([scaled @ self.axes_, rows[:, self.rest_]], axis=1)


class BlockVote(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """One classifier per block; their probabilities are pooled.

    pool ``mean``: p = sum_b weight_b p_b, renormalised. pool ``logs``: ln p = sum_b weight_b ln p_b + bias.
    A block may be made of smaller ones, its `parts`, places counted from its own start; each of them is
    whitened by itself and counts alike. Without parts every block is one.
    """

    def __init__(
        self,
        classifier: Any,
        *,
        blocks: Blocks,
        fillable: Blocks,
        weights: tuple[float, ...],
        bias: tuple[float, ...],
        pool: str,
        parts: tuple[Blocks, ...] = (),
    ) -> None:
        self.classifier = classifier
        self.blocks = blocks
        self.fillable = fillable
        self.weights = weights
        self.bias = bias
        self.pool = pool
        self.parts = parts

    def fit(self, X: Floats, y: NDArray[np.generic]) -> Self:
        """Fits a copy of the classifier on every block of (N, F) rows, whitened."""
        self.fill_ = FillAbsent(self.fillable).fit(X, y)
        rows = self.fill_.transform(X)
        self.classes_ = np.unique(y)
        self.models_ = []
        parts = self.parts or tuple(((name, 0, stop - start),) for name, start, stop in self.blocks)
        for (_, start, stop), inside in zip(self.blocks, parts, strict=True):
            alone = Pipeline([("whiten", BlockWhiten(inside)), ("model", clone(self.classifier))])
            self.models_.append(alone.fit(rows[:, start:stop], y))
        return self

    def block_probabilities(self, X: Floats) -> NDArray[np.float64]:
        """(N, B, C): what each block alone says."""
        rows = self.fill_.transform(X)
        parts = zip(self.models_, self.blocks, strict=True)
        return np.stack(
            [model.predict_proba(rows[:, start:stop]) for model, (_, start, stop) in parts], axis=1
        )

    def predict_proba(self, X: Floats) -> NDArray[np.float64]:
        """(N, C) pooled probabilities."""
        each = self.block_probabilities(X)
        weights = np.asarray(self.weights, dtype=np.float64)
        if self.pool == "mean":
            mixed = np.einsum("nbc,b->nc", each, weights)
            result: NDArray[np.float64] = mixed / mixed.sum(axis=1, keepdims=True)
            return result
        bias = np.asarray(self.bias, dtype=np.float64)[np.asarray(self.classes_, dtype=np.intp)]
        return softmax(np.einsum("nbc,b->nc", np.log(np.maximum(each, SMALLEST)), weights) + bias)

    def predict(self, X: Floats) -> NDArray[np.generic]:
        """The most probable class of each row."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])
