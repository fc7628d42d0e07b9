"""The classifiers, by name, each a keyword-only builder of an unfitted scikit-learn pipeline.

Every pipeline starts with `Standardise` (checks and robust scaling inside), gives all classes the same
weight or prior, has `predict_proba`, is deterministic for its seed and runs on one thread. Labels are class
indices 0..C-1 in the order of the config.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from kilnsense.classify.estimators import DecayedMLP, EqualPriors, PairwiseSVM, Prototype, Standardise
from kilnsense.errors import ConfigError
from kilnsense.parts import build, pick

Options = Mapping[str, float | int | str | bool | tuple[int, ...]]


class Classifier(Protocol):
    """What every classifier and every fuser offers once it is fitted."""

    classes_: NDArray[np.generic]

    def fit(self, X: NDArray[np.floating[Any]], y: NDArray[np.generic]) -> Self:
        """Learns from (N, F) rows and N labels."""
        ...

    def predict_proba(self, X: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """(N, C) probabilities in the order of `classes_`, rows sum to 1."""
        ...


def knn(*, neighbours: int = 9) -> Pipeline:
    """The nearest training rows vote, weighted by 1 / distance."""
    _positive("knn", {"neighbours": neighbours})
    model = KNeighborsClassifier(neighbours, weights="distance", algorithm="brute", n_jobs=1)
    return _scaled(EqualPriors(model), min_rows=neighbours)


def svm(*, c: float = 0.5, kernel: str = "rbf", gamma: float = 0.2, sharpness: float = 2.0) -> Pipeline:
    """A support vector machine per pair of classes (`PairwiseSVM`); kernel rbf, linear, poly or sigmoid."""
    _positive("svm", {"c": c, "gamma": gamma, "sharpness": sharpness})
    kernels = ("rbf", "linear", "poly", "sigmoid")
    if kernel not in kernels:
        raise ConfigError(f"classifier 'svm' option kernel: got {kernel!r}, allowed: {', '.join(kernels)}")
    return _scaled(PairwiseSVM(c=c, kernel=kernel, gamma=gamma, sharpness=sharpness))


def mlp(
    *, seed: int, hidden: tuple[int, ...] = (64,), decay: float = 0.07, iterations: int = 200
) -> Pipeline:
    """A multi-layer perceptron, L-BFGS on all rows, weight decay `decay` per row (`DecayedMLP`)."""
    _positive("mlp", {"decay": decay, "iterations": iterations})
    model = DecayedMLP(hidden=tuple(hidden), decay=decay, iterations=iterations, seed=seed)
    return _scaled(EqualPriors(model))


def prototype(*, sharpness: float = 4.0) -> Pipeline:
    """The nearest class mean (`Prototype`)."""
    _positive("prototype", {"sharpness": sharpness})
    return _scaled(Prototype(sharpness=sharpness))


def logistic(*, c: float = 0.005, iterations: int = 1000) -> Pipeline:
    """Multinomial logistic regression with an L2 penalty 1 / `c`."""
    _positive("logistic", {"c": c, "iterations": iterations})
    return _scaled(LogisticRegression(C=c, class_weight="balanced", max_iter=iterations))


def lda(*, shrinkage: float | str = 0.5) -> Pipeline:
    """Linear discriminant analysis; shrinkage 0..1 or auto (Ledoit and Wolf 2004)."""
    if shrinkage != "auto" and not (isinstance(shrinkage, int | float) and 0 <= shrinkage <= 1):
        raise ConfigError(f"classifier 'lda' option shrinkage: got {shrinkage!r}, allowed: auto or 0..1")
    return _scaled(EqualPriors(LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)))


def forest(*, seed: int, trees: int = 200, leaf: int = 2) -> Pipeline:
    """A random forest; `leaf` is the least number of rows in a leaf."""
    _positive("forest", {"trees": trees, "leaf": leaf})
    model = RandomForestClassifier(
        trees, min_samples_leaf=leaf, class_weight="balanced_subsample", random_state=seed, n_jobs=1
    )
    return _scaled(model)


def majority() -> Pipeline:
    """The baseline that always says the shares of the training labels."""
    return _scaled(DummyClassifier(strategy="prior"))


CLASSIFIERS: dict[str, Callable[..., Pipeline]] = {
    "knn": knn,
    "svm": svm,
    "mlp": mlp,
    "prototype": prototype,
    "logistic": logistic,
    "lda": lda,
    "forest": forest,
    "majority": majority,
}
"""Name to builder. `majority` is the baseline; a new classifier is one function and one line here."""


def build_classifier(kind: str, options: Options, *, seed: int) -> Pipeline:
    """An unfitted pipeline with `fit`, `predict_proba`, `predict`, `classes_`.

    Args:
        kind: a name of `CLASSIFIERS`.
        options: keyword arguments of its builder.
        seed: for the classifiers that draw numbers.

    Raises:
        ConfigError: unknown kind or option, or a value out of range. Its `fit` and `predict_proba` raise
            InputError for NaN, one class only, fewer rows than neighbours, other columns than fitted.
    """
    builder = pick(CLASSIFIERS, kind, kind="classifier")
    drawn = {"seed": seed} if "seed" in inspect.signature(builder).parameters else {}
    return build(CLASSIFIERS, kind, {**drawn, **options}, kind="classifier")


def class_probabilities(
    model: Classifier, rows: NDArray[np.floating[Any]], *, classes: int
) -> NDArray[np.float64]:
    """(N, C) probabilities with one column for each class index; 0 for a class that was not trained."""
    result = np.zeros((len(rows), classes))
    if len(rows):
        result[:, np.asarray(model.classes_, dtype=np.intp)] = model.predict_proba(rows)
    return result


def _scaled(model: Any, *, min_rows: int = 2) -> Pipeline:
    return Pipeline([("scale", Standardise(min_rows=min_rows)), ("model", model)])


def _positive(kind: str, values: Mapping[str, object]) -> None:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise ConfigError(f"classifier {kind!r} option {name}: got {value!r}, allowed: above 0")
