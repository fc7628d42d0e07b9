"""Contracts of every classifier."""

import numpy as np
import pytest
import skops.io
from numpy.typing import NDArray
from sklearn.svm import SVC

from kilnsense.bundle.classifier_file import TRUSTED_TYPES
from kilnsense.classify.estimators import PairwiseSVM, Standardise
from kilnsense.classify.models import (
    CLASSIFIERS,
    build_classifier,
    class_probabilities,
)
from kilnsense.errors import ConfigError, InputError

FAST = {"forest": {"trees": 20}, "mlp": {"hidden": (8,), "iterations": 60}}


def clouds(
    classes: int = 3, each: int = 15, columns: int = 6
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(classes), each)
    centres = 3.0 * rng.normal(size=(classes, columns))
    return (centres[labels] + rng.normal(size=(len(labels), columns))).astype(np.float32), labels


def make(kind: str):
    return build_classifier(kind, FAST.get(kind, {}), seed=1)


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_probabilities_are_probabilities_and_repeat_for_the_same_seed(kind):
    rows, labels = clouds()
    first = make(kind).fit(rows, labels).predict_proba(rows)
    assert first.shape == (45, 3)
    assert np.isfinite(first).all()
    np.testing.assert_allclose(first.sum(axis=1), 1.0, atol=1e-9)
    np.testing.assert_array_equal(first, make(kind).fit(rows, labels).predict_proba(rows))


@pytest.mark.parametrize("kind", [kind for kind in CLASSIFIERS if kind != "majority"])
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_separable_clouds_are_told_apart(kind, classes):
    rows, labels = clouds(classes)
    model = make(kind).fit(rows[::2], labels[::2])
    found = model.predict_proba(rows[1::2]).argmax(axis=1)
    assert (found == labels[1::2]).mean() > 0.9


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_skops_round_trip_gives_the_same_answer(kind):
    rows, labels = clouds()
    model = make(kind).fit(rows, labels)
    data = skops.io.dumps(model)
    assert set(skops.io.get_untrusted_types(data=data)) <= set(TRUSTED_TYPES)
    again = skops.io.loads(data, trusted=list(TRUSTED_TYPES))
    np.testing.assert_array_equal(model.predict_proba(rows), again.predict_proba(rows))


@pytest.mark.parametrize("kind", ["knn", "svm", "mlp", "logistic", "lda", "prototype"])
def test_a_rare_class_is_not_drowned(kind):
    """Two equal clouds, one labelled ten times as often: half way between them neither is preferred much."""
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(-1, 0.7, (200, 2)), rng.normal(1, 0.7, (20, 2))])
    labels = np.repeat([0, 1], [200, 20])
    test = np.concatenate([rng.normal(-1, 0.7, (100, 2)), rng.normal(1, 0.7, (100, 2))])
    found = make(kind).fit(rows, labels).predict_proba(test).argmax(axis=1)
    assert (found[100:] == 1).mean() > 0.85


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_one_class_only_is_refused(kind):
    rows, labels = clouds()
    with pytest.raises(InputError, match="one class only"):
        make(kind).fit(rows, np.zeros_like(labels))


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_nan_is_refused_when_fitting_and_when_asking(kind):
    rows, labels = clouds()
    broken = rows.copy()
    broken[4, 2] = np.nan
    with pytest.raises(InputError, match="NaN or infinite values, first in row 4"):
        make(kind).fit(broken, labels)
    with pytest.raises(InputError, match="first in row 4"):
        make(kind).fit(rows, labels).predict_proba(broken)


def test_fewer_rows_than_neighbours_are_refused():
    rows, labels = clouds(each=2)
    with pytest.raises(InputError, match="got 6, allowed: at least 9"):
        build_classifier("knn", {"neighbours": 9}, seed=0).fit(rows, labels)


def test_other_columns_than_fitted_are_refused():
    rows, labels = clouds()
    with pytest.raises(InputError, match=r"got shape \(45, 5\), allowed: \(rows, 6\)"):
        make("svm").fit(rows, labels).predict_proba(rows[:, :5])


def test_labels_and_rows_must_agree():
    rows, labels = clouds()
    with pytest.raises(InputError, match="one for each row"):
        make("svm").fit(rows, labels[:-1])


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("swm", {}, "did you mean 'svm'"),
        ("knn", {"neighbors": 3}, "did you mean 'neighbours'"),
        ("knn", {"neighbours": 0}, "neighbours: got 0"),
        ("svm", {"c": -1.0}, "option c: got -1.0"),
        ("svm", {"kernel": "cubic"}, "allowed: rbf"),
        ("lda", {"shrinkage": 2.0}, "allowed: auto or 0..1"),
    ],
)
def test_wrong_settings_are_named(kind, options, message):
    with pytest.raises(ConfigError, match=message):
        build_classifier(kind, options, seed=0)


def test_pairwise_svm_agrees_with_the_votes_of_scikit_learn_where_they_are_clear():
    rows, labels = clouds(4)
    ours = PairwiseSVM(gamma=1.0).fit(rows, labels)
    theirs = SVC(C=1.0, class_weight="balanced").fit(rows, labels)
    assert (ours.predict(rows) == theirs.predict(rows)).mean() > 0.97
    two = labels < 2
    binary = PairwiseSVM(sharpness=1.0).fit(rows[two], labels[two])
    margin = binary.machine_.decision_function(rows[two])
    np.testing.assert_allclose(binary.predict_proba(rows[two])[:, 1], 1 / (1 + np.exp(-margin)), atol=1e-9)
    assert ((binary.predict_proba(rows[two])[:, 1] > 0.5) == (margin > 0)).all()


def test_standardise_is_robust_and_leaves_flags_alive():
    rng = np.random.default_rng(1)
    rows = np.stack([rng.normal(40, 3, 400), (np.arange(400) % 10 == 0) * 1.0, np.full(400, 7.0)], axis=1)
    rows[0, 0] = 1e6
    scaled = Standardise().fit(rows).transform(rows)
    assert np.abs(scaled).max() <= 5.0
    assert scaled[:, 2].std() == 0.0
    assert np.ptp(scaled[:, 1]) > 1.0
    assert Standardise(columnwise=False).fit(rows).transform(rows)[0, 0] == 1e6


def test_columns_follow_the_class_index_also_where_a_class_is_missing():
    rows, labels = clouds(3)
    keep = labels != 1
    probabilities = class_probabilities(make("lda").fit(rows[keep], labels[keep]), rows, classes=3)
    assert probabilities.shape == (45, 3)
    assert (probabilities[:, 1] == 0).all()
    assert (probabilities[keep].argmax(axis=1) == labels[keep]).all()
