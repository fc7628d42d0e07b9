"""Own estimators in the scikit-learn protocol, with plain attributes so that skops can store them."""

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from kilnsense.errors import InputError

Floats = NDArray[np.floating[Any]]
LIMIT = 5.0
"""Scaled columns are clipped to plus or minus this, so that one odd column cannot rule a distance."""


def check_rows(rows: Floats, *, columns: int | None = None) -> NDArray[np.float64]:
    """The rows as (N, F) float64.

    Raises:
        InputError: not two-dimensional, another number of columns than fitted, NaN or infinite values.
    """
    array = np.asarray(rows, dtype=np.float64)
    if array.ndim != 2 or (columns is not None and array.shape[1] != columns):
        wanted = "(rows, columns)" if columns is None else f"(rows, {columns}) as in training"
        raise InputError(f"classifier rows: got shape {array.shape}, allowed: {wanted}")
    if not np.isfinite(array).all():
        bad = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise InputError(
            f"classifier rows: NaN or infinite values, first in row {bad}, allowed: finite values"
        )
    return array


def check_labels(labels: NDArray[np.generic], *, rows: int, at_least: int = 2) -> NDArray[np.generic]:
    """The sorted classes of the labels of `rows` rows.

    Raises:
        InputError: another number of labels than rows, fewer rows than `at_least`, one class only.
    """
    array = np.asarray(labels)
    if array.shape != (rows,):
        raise InputError(f"classifier labels: got shape {array.shape}, allowed: ({rows},), one for each row")
    if rows < at_least:
        raise InputError(f"classifier rows: got {rows}, allowed: at least {at_least}; label more frames")
    classes = np.unique(array)
    if len(classes) < 2:
        raise InputError(f"classifier labels: got one class only ({list(classes)}), allowed: two or more")
    return classes


class Standardise(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Checks the rows, then centres columns on the median and divides by a robust spread.

    The spread of a column is the larger of IQR / 1.349 and half its standard deviation (which a column of
    mostly equal values, such as a presence flag, needs); constant columns become 0. Values are clipped to
    plus or minus `LIMIT`.

    Args:
        columnwise: False leaves the values as they are, for rows that were already weighted block by block.
        min_rows: fewer training rows raise InputError.
    """

    def __init__(self, *, columnwise: bool = True, min_rows: int = 2) -> None:
        self.columnwise = columnwise
        self.min_rows = min_rows

    def fit(self, X: Floats, y: NDArray[np.generic] | None = None) -> Self:
        """Learns centre and spread of (N, F) rows; with labels it also checks those. Raises InputError."""
        rows = check_rows(X)
        if y is not None:
            check_labels(y, rows=len(rows), at_least=self.min_rows)
        low, centre, high = np.percentile(rows, [25.0, 50.0, 75.0], axis=0)
        spread = np.maximum((high - low) / 1.349, 0.5 * rows.std(axis=0))
        self.n_features_in_ = rows.shape[1]
        self.centre_ = centre
        self.factor_ = np.where(spread > 1e-9, 1.0 / np.maximum(spread, 1e-9), 0.0)
        return self

    def transform(self, X: Floats) -> NDArray[np.float64]:
        """(N, F) rows, scaled. Raises InputError for other columns than fitted, NaN or infinity."""
        rows = check_rows(X, columns=self.n_features_in_)
        if not self.columnwise:
            return rows
        scaled: NDArray[np.float64] = np.clip((rows - self.centre_) * self.factor_, -LIMIT, LIMIT)
        return scaled


class EqualPriors(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Gives every class the same prior: p_c / share_c of the inner classifier, renormalised.

    For classifiers without class weights (kNN, MLP, LDA): a class that was labelled more often is not more
    probable in the kiln for that. A convergence warning of the inner classifier is not passed on: the cap on
    its iterations is part of its regularisation.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: Floats, y: NDArray[np.generic]) -> Self:
        """Fits a copy of the inner classifier on (N, F) rows and N labels."""
        self.classes_, counts = np.unique(y, return_counts=True)
        self.shares_ = counts / counts.sum()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.estimator_ = clone(self.estimator).fit(X, y)
        return self

    def predict_proba(self, X: Floats) -> NDArray[np.float64]:
        """(N, C) probabilities."""
        weighted = self.estimator_.predict_proba(X) / self.shares_
        result: NDArray[np.float64] = weighted / weighted.sum(axis=1, keepdims=True)
        return result

    def predict(self, X: Floats) -> NDArray[np.generic]:
        """The most probable class of each row."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])


class PairwiseSVM(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A support vector classifier whose probabilities need no inner cross-validation.

    One machine per pair of classes; the probability of class i is proportional to the product over the
    rivals j of sigmoid(sharpness * margin_ij). Scikit-learn's own `probability=True` splits rows at random,
    which leaks between frames of one camera run; here calibration is left to grouped folds.

    Args:
        c: weight of the margin errors, above 0.
        kernel: rbf, linear, poly or sigmoid.
        gamma: of the kernel, in units of 1 / (columns * variance of the training values), above 0; below 1
            the border is smoother than scikit-learn's ``scale``, which few groups need.
        sharpness: of the probabilities, above 0.
    """

    def __init__(
        self, *, c: float = 1.0, kernel: str = "rbf", gamma: float = 0.3, sharpness: float = 2.0
    ) -> None:
        self.c = c
        self.kernel = kernel
        self.gamma = gamma
        self.sharpness = sharpness

    def fit(self, X: Floats, y: NDArray[np.generic]) -> Self:
        """Fits one machine per pair on (N, F) rows and N labels, classes weighted to balance."""
        self.machine_ = SVC(
            C=self.c,
            kernel=self.kernel,
            gamma=self.gamma / max(X.shape[1] * float(np.var(X)), 1e-12),
            class_weight="balanced",
            decision_function_shape="ovo",
        ).fit(X, y)
        self.classes_ = self.machine_.classes_
        return self

    def predict_proba(self, X: Floats) -> NDArray[np.float64]:
        """(N, C) probabilities."""
        margins = np.asarray(self.machine_.decision_function(X), dtype=np.float64)
        count = len(self.classes_)
        if count == 2:
            margins = -margins[:, None]  # scikit-learn turns the sign round for two classes
        logs = np.zeros((len(margins), count))
        first, second = np.triu_indices(count, 1)
        for pair, (i, j) in enumerate(zip(first, second, strict=True)):
            logs[:, i] -= np.logaddexp(0.0, -self.sharpness * margins[:, pair])
            logs[:, j] -= np.logaddexp(0.0, self.sharpness * margins[:, pair])
        return softmax(logs)

    def predict(self, X: Floats) -> NDArray[np.generic]:
        """The most probable class of each row."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])


class DecayedMLP(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A multi-layer perceptron whose weight decay counts per row, so that it means the same for few and many.

    Scikit-learn's `alpha` is divided by the number of rows: a decay that suits hundreds of frames would
    switch the network off for dozens. Here alpha = `decay` * rows; fitted with L-BFGS on all rows.
    """

    def __init__(self, *, hidden: tuple[int, ...], decay: float, iterations: int, seed: int) -> None:
        self.hidden = hidden
        self.decay = decay
        self.iterations = iterations
        self.seed = seed

    def fit(self, X: Floats, y: NDArray[np.generic]) -> Self:
        """Fits the network on (N, F) rows and N labels."""
        self.network_ = MLPClassifier(
            self.hidden,
            solver="lbfgs",
            alpha=self.decay * len(X),
            max_iter=self.iterations,
            random_state=self.seed,
        ).fit(X, y)
        self.classes_ = self.network_.classes_
        return self

    def predict_proba(self, X: Floats) -> NDArray[np.float64]:
        """(N, C) probabilities."""
        return np.asarray(self.network_.predict_proba(X), dtype=np.float64)


class Prototype(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """One prototype per class, its mean row; softmax over minus the squared distances.

    After Snell, Swersky and Zemel 2017. Distances are divided by the mean squared distance of the training
    rows to their own prototype, so that `sharpness` means the same for every number of columns.
    """

    def __init__(self, *, sharpness: float = 4.0) -> None:
        self.sharpness = sharpness

    def fit(self, X: Floats, y: NDArray[np.generic]) -> Self:
        """Learns the class means of (N, F) rows and N labels."""
        self.classes_, index = np.unique(y, return_inverse=True)
        self.means_ = np.stack([X[index == c].mean(axis=0) for c in range(len(self.classes_))])
        self.spread_ = max(float(((X - self.means_[index]) ** 2).sum(axis=1).mean()), 1e-12)
        return self

    def predict_proba(self, X: Floats) -> NDArray[np.float64]:
        """(N, C) probabilities."""
        squared = ((X[:, None, :] - self.means_) ** 2).sum(axis=2)
        return softmax(-0.5 * self.sharpness * squared / self.spread_)

    def predict(self, X: Floats) -> NDArray[np.generic]:
        """The most probable class of each row."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])


def softmax(logits: Floats) -> NDArray[np.float64]:
    """(N, C) probabilities from (N, C) logarithms, stable for large values."""
    shifted = np.exp(np.asarray(logits, dtype=np.float64) - logits.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return result
