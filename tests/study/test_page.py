"""Outcomes arranged for the page: which curves, pictures and sweeps, and what is said of failures."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kilnsense import __version__
from kilnsense.config import StudyConfig
from kilnsense.record.study_page import Failure, StudyPage, render_study
from kilnsense.study.draws import Draw
from kilnsense.study.outcome import Outcome, Points, Score
from kilnsense.study.page import MOST_EMBEDDINGS, MOST_SETTINGS, make_page
from kilnsense.study.plan import Trial, plan_trials
from kilnsense.study.workers import Finished
from kilnsense.training.history import Epoch, History

MakeStudy = Callable[..., StudyConfig]


def outcome(trial: Trial) -> Outcome:
    """The larger the margin the better; wide is better than narrow."""
    value = 0.5 + (trial.settings.get("metric.margin") or 0.0) / 10 + 0.1 * (trial.variant == "wide")
    value += 0.01 * trial.seed
    epochs = (
        Epoch(0, accuracy=0.2, easy=1),
        Epoch(1, loss=2.0, accuracy=0.4, easy=3, semi_hard=2, hard=1),
        Epoch(2, loss=float("nan"), accuracy=0.4),
        Epoch(3, loss=1.0, accuracy=0.6, easy=5, semi_hard=0, hard=1),
    )
    points = Points("test", np.array([[trial.seed, value]]), np.array([0]), "as they are")
    scores = (Score("fused", "knn", {"accuracy": value}), Score("fused", "svm", {"accuracy": value / 2}))
    return Outcome(scores, value - 0.1, (History(epochs),), (points,), ("a",), 50.0)


def page_of(study: StudyConfig, change: Callable[[Finished], Finished] = lambda one: one) -> StudyPage:
    finished = [change(Finished(trial, outcome(trial))) for trial in plan_trials(study)]
    return make_page(study, finished, command="kilnsense study x.yaml", ended="2026-01-02T03:04:05Z")


TWO = [{"name": "wide", "settings": {"branches.dimensions": 64}}, {"name": "narrow"}]


def test_the_margin_sweep_comes_first_with_a_line_for_all_else(make_study: MakeStudy) -> None:
    grid = {"branches.head": ["vector"], "branches.dropout": [0.1, 0.5], "metric.margin": [0.5, None, 0.1]}
    page = page_of(make_study(variants=TWO, grid=grid))
    assert [sweep.axis for sweep in page.sweeps] == ["metric.margin", "branches.dropout"]
    margin = page.sweeps[0]
    assert (margin.measure, margin.note) == ("accuracy", "fused, knn")
    assert [series.name for series in margin.series] == [
        *("wide, dropout 0.1", "wide, dropout 0.5", "narrow, dropout 0.1", "narrow, dropout 0.5")
    ]
    mean, spread = 0.5 + 0.01 + 0.1 + 0.005, np.std([0.0, 0.01], ddof=1)
    assert margin.series[0].points[0] == (0.1, pytest.approx(mean), pytest.approx(spread))
    assert [value for value, _, _ in margin.series[0].points] == [0.1, 0.5]
    assert [value for value, _, _ in page.sweeps[1].series[0].points] == [0.1, 0.5]
    assert page.sweeps[1].series[-1].name == "narrow, margin default"


def test_a_number_that_does_not_vary_is_no_sweep(make_study: MakeStudy) -> None:
    grid = {"metric.margin": [0.5], "metric.squared": [True, False], "training.optimizer": ["adam", "sgd"]}
    assert page_of(make_study(grid=grid)).sweeps == ()


def test_curves_are_of_the_best_settings_without_the_epoch_before_training(make_study: MakeStudy) -> None:
    page = page_of(make_study(grid={"metric.margin": [n / 10 for n in range(1, 12)]}))
    assert len({curve.name for curve in page.curves}) == MOST_SETTINGS
    assert [curve.name for curve in page.curves[:3]] == ["margin 1.1", "margin 1.1", "margin 1"]
    # A loss that was not finite leaves a gap; the epochs after it stay where they are.
    assert page.curves[0].loss == pytest.approx((2.0, float("nan"), 1.0), nan_ok=True)
    assert page.curves[0].accuracy == (0.4, 0.4, 0.6)
    assert page.curves[0].kinds == {"easy": (3, 0, 5), "semi-hard": (2, 0, 0), "hard": (1, 0, 1)}


def test_pairs_have_kinds_of_their_own_and_classes_none(make_study: MakeStudy) -> None:
    def with_epoch(epoch: Epoch) -> StudyPage:
        history = History((Epoch(0), epoch))
        return page_of(
            make_study(),
            lambda one: replace(one, outcome=replace(one.outcome, histories=(history,))),  # type: ignore[type-var]
        )

    pairs = with_epoch(Epoch(1, genuine=4, inside=1, beyond=3)).curves[0]
    assert pairs.kinds == {"genuine": (4,), "inside": (1,), "beyond": (3,)}
    assert with_epoch(Epoch(1, loss=1.0)).curves[0].kinds is None


def test_embeddings_are_of_the_best_setting_of_every_variant_first_seed(make_study: MakeStudy) -> None:
    page = page_of(make_study(variants=TWO, seeds=[4, 2]))
    assert [(shown.name, shown.note) for shown in page.embeddings] == [
        ("wide, margin 0.5", "as they are; seed 4"),
        ("narrow, margin 0.5", "as they are; seed 4"),
    ]
    assert page.embeddings[0].clouds[0].title == "test"
    many = [{"name": f"v{n}", "settings": {}} for n in range(MOST_EMBEDDINGS + 2)]
    assert len(page_of(make_study(variants=many)).embeddings) == MOST_EMBEDDINGS


def test_a_sweep_of_one_point_is_none(make_study: MakeStudy) -> None:
    def lost(one: Finished) -> Finished:
        return one if one.trial.settings["metric.margin"] == 0.1 else Finished(one.trial, None, "diverged")

    assert [len(series.points) for sweep in page_of(make_study()).sweeps for series in sweep.series] == [2]
    assert page_of(make_study(), lost).sweeps == ()


def test_what_a_search_tried_is_on_its_page(make_study: MakeStudy) -> None:
    study = make_study(variants=TWO, grid={}, seeds=[0, 1])
    draws = [
        Draw(Trial(f"draw-{n:03d}_s0", f"draw {n}", variant, {"metric.margin": margin}, 0), validation)
        for n, variant, margin, validation in (
            (1, "wide", 0.1, 0.5),
            (2, "narrow", 0.25, 0.8),
            (3, "wide", 9.0, None),
            (1, "wide", 0.1, 0.5),
        )
    ]
    best = [replace(draws[1].trial, seed=seed) for seed in (0, 1)]
    finished = [Finished(trial, outcome(trial)) for trial in best]
    page = make_page(study, finished, command="c", ended="e", draws=draws)
    assert page.draws is not None
    assert page.draws.columns == ("variant", "margin")
    assert [(line.name, line.cells, line.validation) for line in page.draws.ordered] == [
        ("draw 2", ("narrow", "0.25"), 0.8),
        ("draw 1", ("wide", "0.1"), 0.5),
        ("draw 3", ("wide", "9"), None),
    ]
    figures = {figure.name: (figure.value, figure.remark) for figure in page.figures}
    assert figures["settings tried"] == ("3", "2 of them have a result; no choice looks at test scores")
    assert "settings" not in figures
    html = render_study(replace(page, curves=(), embeddings=()))
    assert "It has the best validation of 3 settings." in html
    assert "No other setting" not in html
    assert page_of(make_study()).draws is None


def test_trouble_in_training_is_said_of_each_setting_once(make_study: MakeStudy) -> None:
    epochs = (Epoch(0, collapsed=("a",)), Epoch(1, accuracy=0.5, empty=2, skipped=1, collapsed=("b",)))

    def troubled(one: Finished) -> Finished:
        assert one.outcome is not None
        if one.trial.settings["metric.margin"] == 0.1:
            return one
        return replace(one, outcome=replace(one.outcome, histories=(History(epochs), History(epochs))))

    page = page_of(make_study(), troubled)
    words = "batches without a pair or triplet: 8; batches without a step: 4; collapsed: b"
    assert page.troubles == (("margin 0.5", words),)
    assert words in render_study(replace(page, embeddings=()))


def test_the_spread_of_frames_is_said_to_hold_the_folds_too(make_study: MakeStudy) -> None:
    page = replace(page_of(make_study(task="frames")), curves=(), embeddings=(), sweeps=())
    assert "each seed deals the groups into other folds" in render_study(page)
    one = replace(page_of(make_study(task="frames", seeds=[0])), curves=(), embeddings=(), sweeps=())
    assert "other folds" not in render_study(one)
    assert page_of(make_study()).spread_note == ""


def test_what_is_said_around_it(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(title="Stripes <told> apart")

    def lost(one: Finished) -> Finished:
        return one if one.trial.seed else Finished(one.trial, None, "diverged & gone")

    page = page_of(study, lost)
    assert page.failures == (
        Failure("margin-0.1_s0", "diverged & gone"),
        Failure("margin-0.5_s0", "diverged & gone"),
    )
    assert page.measure == "accuracy"
    figures = {figure.name: (figure.value, figure.remark) for figure in page.figures}
    assert figures["settings"] == ("2", "2 of 4 trials have a result")
    assert figures["validation of the best"][0] == "0.460"
    assert figures["images per second"][0] == "50"
    assert dict(page.provenance)["version"] == f"kilnsense {__version__}"
    assert "margin" in page.config
    assert not page.synthetic
    html = render_study(page)
    assert "Stripes &lt;told&gt; apart" in html
    assert "diverged &amp; gone" in html


def test_a_study_in_which_all_fails_has_a_page(make_study: MakeStudy) -> None:
    page = page_of(make_study(), lambda one: Finished(one.trial, None, "diverged"))
    assert (page.results, page.sweeps, page.embeddings, len(page.failures)) == ((), (), (), 4)
    assert "diverged" in render_study(page)
