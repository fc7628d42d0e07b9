"""Entrants: known names, calibrated answers, baselines that see what they should and no more."""

from dataclasses import replace

import numpy as np
import pytest

from kilnsense.compare.entrants import BASELINES, entrants, judge_fold
from kilnsense.compare.looked import LookedFold, Seen, take
from kilnsense.config import ClassifierConfig, CompareConfig
from kilnsense.errors import ConfigError


@pytest.fixture(scope="module")
def fold(tiny_learned) -> LookedFold:  # type: ignore[no-untyped-def]
    """The tiny model's frames, some of them judged again."""
    rows = tiny_learned.trained.rows
    chosen = np.arange(0, len(rows.labels), 3)
    test = Seen(
        rows.descriptors[chosen],
        tuple(rows.qualities[row] for row in chosen),
        take(rows.embeddings, chosen),
    )
    return LookedFold(rows, test, 0.0)


@pytest.fixture(scope="module")
def settings(tiny_config) -> CompareConfig:  # type: ignore[no-untyped-def]
    return CompareConfig(base=tiny_config, classifiers=("svm", "lda"))


def test_baselines_are_always_there_and_unknown_names_are_refused(settings: CompareConfig) -> None:
    assert entrants(settings) == ("svm", "lda", "majority", "mean_luminance", "descriptors+svm")
    for name, message in (("smv", "did you mean 'svm'"), ("majority", "--classifiers: got 'majority'")):
        with pytest.raises(ConfigError, match=message):
            entrants(settings.model_copy(update={"classifiers": (name,)}))
    bad = settings.base.model_copy(update={"classifier": ClassifierConfig(kind="svm", options={"sea": 1})})
    with pytest.raises(ConfigError, match="unknown option 'sea'"):
        entrants(settings.model_copy(update={"base": bad}))


@pytest.mark.parametrize("name", ["svm", "lda", *BASELINES])
def test_every_entrant_gives_probabilities_and_reasons(
    name: str, settings: CompareConfig, fold: LookedFold
) -> None:
    said = judge_fold(name, settings, fold)
    count = len(fold.test.qualities)
    assert said.probabilities.shape == (count, 3)
    np.testing.assert_allclose(said.probabilities.sum(axis=1), 1)
    assert len(said.reasons) == count
    assert set(said.reasons) <= {"accepted", "low_confidence", "unfamiliar"}
    assert said.fit_seconds > 0
    assert said.predict_ms > 0
    assert said.size > 500


def test_baselines_look_at_nothing_else(settings: CompareConfig, fold: LookedFold) -> None:
    majority = judge_fold("majority", settings, fold).probabilities
    assert np.ptp(majority, axis=0).max() < 1e-12
    darker = replace(fold.test, qualities=tuple(replace(one, luminance=0.0) for one in fold.test.qualities))
    spoiled = replace(fold, test=replace(darker, descriptors=fold.test.descriptors[::-1].copy()))
    luminance = judge_fold("mean_luminance", settings, fold).probabilities
    assert np.ptp(luminance, axis=0).max() > 0.01
    same = judge_fold(
        "mean_luminance",
        settings,
        replace(fold, test=replace(fold.test, descriptors=spoiled.test.descriptors)),
    )
    np.testing.assert_array_equal(same.probabilities, luminance)
    dark = judge_fold("mean_luminance", settings, spoiled).probabilities
    assert np.ptp(dark, axis=0).max() < 1e-12
    bare = LookedFold(fold.rows.bare(), replace(fold.test, embeddings=None), 0.0)
    with_networks = judge_fold("descriptors+svm", settings, fold).probabilities
    np.testing.assert_array_equal(judge_fold("descriptors+svm", settings, bare).probabilities, with_networks)
    assert not np.allclose(judge_fold("svm", settings, fold).probabilities, with_networks)


def test_a_plain_baseline_is_calibrated_on_groups_that_it_has_not_seen(
    settings: CompareConfig, fold: LookedFold
) -> None:
    """Luminance that names every training frame and says nothing of others: nothing to be sure of."""
    rows = fold.rows
    names = [replace(one, luminance=place / 1000) for place, one in enumerate(rows.qualities)]
    spoiled = replace(fold, rows=replace(rows, qualities=tuple(names)))
    said = judge_fold("mean_luminance", settings, spoiled)
    # Fitted on the very frames that calibrate it, it would be sure of nearly all of them.
    assert said.probabilities.max(axis=1).mean() < 0.7


def test_a_plain_baseline_has_a_border_too(settings: CompareConfig, fold: LookedFold) -> None:
    decide = settings.base.decide.model_copy(update={"min_confidence": 0.99})
    strict = settings.model_copy(update={"base": settings.base.model_copy(update={"decide": decide})})
    assert set(judge_fold("mean_luminance", strict, fold).reasons) == {"low_confidence"}


def test_a_bad_picture_is_judged_and_not_named(settings: CompareConfig, fold: LookedFold) -> None:
    dark = replace(fold.test.qualities[0], flags=("dark",))
    test = replace(fold.test, qualities=(dark, *fold.test.qualities[1:]))
    for name in ("svm", "mean_luminance"):
        said = judge_fold(name, settings, replace(fold, test=test))
        assert said.reasons[0] == "bad_image"
        assert said.probabilities[0].max() > 1 / 3


def test_a_search_says_what_it_chose(settings: CompareConfig, fold: LookedFold) -> None:
    tuned = judge_fold("lda", settings.model_copy(update={"tune": True}), fold)
    assert set(tuned.options) == {"shrinkage"}
    assert judge_fold("lda", settings, fold).options == {}
