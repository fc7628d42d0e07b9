"""Fusion: contracts of every fuser, and what is particular to each."""

import numpy as np
import pytest
import skops.io

from kilnsense.bundle.classifier_file import TRUSTED_TYPES
from kilnsense.classify.models import CLASSIFIERS, build_classifier
from kilnsense.errors import ConfigError, InputError
from kilnsense.features.fuse import (
    FUSERS,
    NEEDS_EVIDENCE,
    Evidence,
    block_probabilities,
    block_skill,
    build_fuser,
    stack_weights,
    to_features,
)
from kilnsense.features.fusers import BlockPCA, BlockWhiten, FillAbsent
from kilnsense.types import Embeddings

NAMES = ("region:flame", "scale:0.5", "scale:1.0")


def logistic():
    return build_classifier("logistic", {}, seed=0)


def embeddings(labels: np.ndarray, *, seed: int = 0) -> Embeddings:
    """Branch 0 knows the class, branch 1 knows it half, branch 2 is noise; branch 0 is at times absent."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(len(labels), 3, 4)).astype(np.float32)
    corner = np.eye(3)[labels]
    values[:, 0, :3] += 4.0 * corner
    values[:, 1, :3] += 1.5 * corner
    present = np.ones((len(labels), 3), dtype=bool)
    present[::7, 0] = False
    values[~present] = 0.0
    return Embeddings(NAMES, values, present)


def sample(count: int = 90, *, seed: int = 0):
    labels = np.arange(count) % 3
    rng = np.random.default_rng(100 + seed)
    descriptors = rng.normal(size=(count, 5)).astype(np.float32)
    descriptors[:, 1:4] += 3.0 * np.eye(3)[labels]
    return to_features(embeddings(labels, seed=seed), descriptors), labels


def evidence() -> Evidence:
    train, labels = sample()
    test, truth = sample(seed=1)
    table = block_probabilities(train, labels, test, classifier=logistic, classes=3)
    return Evidence(table, truth)


def fuser(kind: str, classifier=logistic):
    features, _ = sample()
    return build_fuser(kind, blocks=features.blocks, classifier=classifier, components=4, evidence=evidence())


def test_features_lay_blocks_side_by_side_with_presence_columns():
    labels = np.arange(9) % 3
    parts = embeddings(labels)
    features = to_features(parts, np.ones((9, 5), dtype=np.float32))
    assert features.blocks == (
        ("region:flame", 0, 5),
        ("scale:0.5", 5, 10),
        ("scale:1.0", 10, 15),
        ("descriptors", 15, 20),
    )
    np.testing.assert_array_equal(features.block("scale:0.5")[:, :4], parts.values[:, 1])
    np.testing.assert_array_equal(features.block("region:flame")[:, 4], parts.present[:, 0])


def test_descriptors_alone_and_in_parts():
    rows = np.arange(12, dtype=np.float32).reshape(2, 6)
    assert to_features(None, rows).blocks == (("descriptors", 0, 6),)
    split = to_features(None, rows, descriptor_blocks=(("colour", 0, 4), ("shape", 4, 6)))
    assert split.blocks == (("descriptors:colour", 0, 4), ("descriptors:shape", 4, 6))
    with pytest.raises(InputError, match="embeddings, descriptors or both"):
        to_features(None, None)
    with pytest.raises(InputError, match=r"parts of \[9, "):
        to_features(embeddings(np.arange(9) % 3), rows)


@pytest.mark.parametrize("kind", FUSERS)
def test_every_fuser_learns_repeats_and_survives_skops(kind):
    train, labels = sample()
    test, truth = sample(seed=2)
    model = fuser(kind).fit(train.values, labels)
    probabilities = model.predict_proba(test.values)
    assert probabilities.shape == (90, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-9)
    assert (probabilities.argmax(axis=1) == truth).mean() > 0.8
    np.testing.assert_array_equal(
        probabilities, fuser(kind).fit(train.values, labels).predict_proba(test.values)
    )
    data = skops.io.dumps(model)
    assert set(skops.io.get_untrusted_types(data=data)) <= set(TRUSTED_TYPES)
    again = skops.io.loads(data, trusted=list(TRUSTED_TYPES))
    np.testing.assert_array_equal(probabilities, again.predict_proba(test.values))


@pytest.mark.parametrize("kind", FUSERS)
@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_every_fuser_takes_every_classifier(kind, classifier):
    options = {"forest": {"trees": 5}, "mlp": {"hidden": (4,), "iterations": 10}}.get(classifier, {})
    train, labels = sample(30)
    model = fuser(kind, lambda: build_classifier(classifier, options, seed=0)).fit(train.values, labels)
    assert model.predict_proba(train.values).shape == (30, 3)


@pytest.mark.parametrize("kind", FUSERS)
def test_every_fuser_refuses_nan_and_one_class(kind):
    train, labels = sample()
    broken = train.values.copy()
    broken[3, 0] = np.nan
    with pytest.raises(InputError, match="first in row 3"):
        fuser(kind).fit(train.values, labels).predict_proba(broken)
    with pytest.raises(InputError, match="one class only"):
        fuser(kind).fit(train.values, np.zeros_like(labels))


def test_an_absent_branch_is_filled_by_the_mean_of_the_present_rows():
    rows = np.array([[1.0, 10, 1, 5], [3, 30, 1, 6], [0, 0, 0, 7]])
    fill = FillAbsent((("region:flame", 0, 3),)).fit(rows)
    np.testing.assert_allclose(fill.transform(rows)[2], [2, 20, 0, 7])
    np.testing.assert_allclose(fill.transform(np.array([[9.0, 9, 0, 8]])), [[2, 20, 0, 8]])
    np.testing.assert_array_equal(rows[2], [0, 0, 0, 7], "the input must not change")


def test_a_branch_that_was_never_seen_stays_zero():
    rows = np.array([[0.0, 0, 1], [0, 0, 2]])
    np.testing.assert_array_equal(FillAbsent((("region:flame", 0, 2),)).fit(rows).transform(rows), rows)


def test_skill_orders_the_blocks_by_what_they_know():
    skill = block_skill(evidence())
    assert skill.max() == 1.0
    assert skill[0] > skill[1] > skill[2]
    assert skill[3] > skill[1]
    chance = Evidence(np.full((6, 2, 3), 1 / 3), np.arange(6) % 3)
    np.testing.assert_array_equal(block_skill(chance), [1.0, 1.0])


def test_stack_weights_trust_the_block_that_knows_and_are_never_negative():
    weights, bias = stack_weights(evidence())
    assert len(weights) == 4
    assert len(bias) == 3
    assert min(weights) >= 0
    assert weights[0] > weights[2]
    assert weights[3] > weights[2]


def test_stack_weights_stay_near_the_mean_without_evidence():
    rng = np.random.default_rng(0)
    noise = rng.dirichlet(np.ones(3), size=(3, 4))
    weights, _ = stack_weights(Evidence(noise, np.arange(3)), strength=100.0)
    np.testing.assert_allclose(weights, 0.25, atol=0.02)


def test_stack_gradient_leads_to_a_minimum():
    """A step of any weight away from the fit does not lower the slow loop's loss."""
    found = evidence()
    weights, bias = stack_weights(found)

    def loss(weights: np.ndarray) -> float:
        total, each = 0.0, np.bincount(found.labels)
        for row, label in zip(found.probabilities, found.labels, strict=True):
            logit = sum(w * np.log(np.maximum(p, 1e-3)) for w, p in zip(weights, row, strict=True)) + bias
            total -= (logit[label] - np.log(np.exp(logit).sum())) / each[label] / 3
        return total + 0.02 * (4 * ((weights - 0.25) ** 2).sum() + np.square(bias).sum())

    here = loss(np.array(weights))
    for b in range(4):
        for step in (-0.03, 0.03):
            if weights[b] + step >= 0:
                assert loss(np.array(weights) + step * np.eye(4)[b]) > here


def test_block_probabilities_come_from_one_block_each():
    """Changing one block of the test rows changes the opinion of that block alone."""
    train, labels = sample()
    test, _ = sample(seed=1)
    before = block_probabilities(train, labels, test, classifier=logistic, classes=3)
    values = test.values.copy()
    values[:, 15] += 3.0
    after = block_probabilities(
        train, labels, type(test)(values, test.blocks), classifier=logistic, classes=3
    )
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert np.abs(before[:, 3] - after[:, 3]).max() > 1e-3


def test_block_probabilities_keep_a_column_for_a_class_the_fold_lacks():
    train, labels = sample()
    keep = labels != 0
    part = type(train)(train.values[keep], train.blocks)
    table = block_probabilities(part, labels[keep], train, classifier=logistic, classes=3)
    assert (table[:, :, 0] == 0).all()
    np.testing.assert_allclose(table.sum(axis=2), 1.0)


def test_whitened_blocks_count_by_weight_not_by_columns():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 10)) * 7.0
    whiten = BlockWhiten((("a", 0, 2), ("b", 2, 10)), weights=(1.0, 0.5)).fit(rows)
    energy = (whiten.transform(rows) ** 2).mean(axis=0)
    assert energy[:2].sum() / energy[2:].sum() == pytest.approx(4.0, rel=0.01)
    assert energy.mean() == pytest.approx(1.0)


def test_pca_whitens_the_branches_and_leaves_the_rest():
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(size=(200, 2)) @ rng.normal(size=(2, 6)), rng.normal(size=(200, 2))], 1)
    reduced = BlockPCA(columns=tuple(range(6)), components=4).fit(rows).transform(rows)
    np.testing.assert_array_equal(reduced[:, -2:], rows[:, 6:])
    np.testing.assert_allclose(np.cov(reduced[:, :2].T), np.eye(2), atol=1e-6)
    alone = BlockPCA(columns=(), components=4).fit(rows).transform(rows)
    np.testing.assert_array_equal(alone, rows)


@pytest.mark.parametrize("kind", NEEDS_EVIDENCE)
def test_missing_or_foreign_evidence_is_named(kind):
    features, _ = sample()
    with pytest.raises(ConfigError, match="needs out-of-fold evidence"):
        build_fuser(kind, blocks=features.blocks, classifier=logistic)
    with pytest.raises(InputError, match="got 4 blocks, allowed: 2"):
        build_fuser(kind, blocks=features.blocks[:2], classifier=logistic, evidence=evidence())


def test_unknown_fuser_and_misfit_evidence_are_named():
    with pytest.raises(ConfigError, match="did you mean 'stack'"):
        build_fuser("stock", blocks=(), classifier=logistic)
    with pytest.raises(InputError, match=r"allowed: \(N, blocks, C\)"):
        Evidence(np.zeros((3, 2, 3)), np.zeros(2, dtype=int))
