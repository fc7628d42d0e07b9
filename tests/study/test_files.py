"""What a study leaves for programs, and settings in the form that they can be pasted in."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kilnsense.config import Config, StudyConfig, check_config, load_config, overlay
from kilnsense.study.files import config_yaml, set_options, summarise, write_results
from kilnsense.study.page import make_page
from kilnsense.study.plan import plan_trials
from kilnsense.study.run import run_study
from kilnsense.study.table import tabulate
from kilnsense.study.workers import Task

SETTINGS = {
    "metric.margin": None,
    "metric.loss": "contrastive",
    "branches.views": ["region:flame", "scale:0.5"],
    "branches.dropout": 0.25,
    "training.mixed_precision": True,
    "training.learning_rate": 1e-5,
    "classifier.options": {"neighbours": 3},
    "data.root": "a: b, 'c' #d",
}


def test_settings_can_be_pasted(tmp_path: Path) -> None:
    wanted = overlay(check_config({}, origin="test"), SETTINGS, origin="test")
    assert load_config(None, set_options(SETTINGS)) == wanted
    (tmp_path / "best.yaml").write_text(config_yaml(wanted), encoding="utf-8")
    assert load_config(tmp_path / "best.yaml") == wanted
    assert "classifier.options={neighbours: 3}" in set_options(SETTINGS)
    (tmp_path / "default.yaml").write_text(config_yaml(Config()), encoding="utf-8")
    assert load_config(tmp_path / "default.yaml") == Config()


def test_the_figures_of_a_study(fake: Task, make_study: Callable[..., StudyConfig], tmp_path: Path) -> None:
    study = make_study(grid={"metric.margin": [0.1, 9.0, 0.5]})
    finished = run_study(study, fake, plan_trials(study), folder=tmp_path)
    results = tabulate(finished)
    values = summarise(study, finished, results)
    write_results(tmp_path, values, results, make_page(study, finished, command="c", ended="e"))
    read = json.loads((tmp_path / "study.json").read_text(encoding="utf-8"))
    assert read == {"schema": "kilnsense.study/1", **values}
    best = read["best"]
    assert (best["name"], best["measure"], best["n"], best["rank"]) == ("margin 0.5", "accuracy", 2, 1)
    assert best["settings"] == {"metric.margin": 0.5}
    assert best["mean"] == pytest.approx(0.51)
    assert best["validation"] == pytest.approx(1 - 0.04 + 0.0005)
    assert [entry["validation"] is None for entry in read["settings"]] == [False, True, False]
    assert read["settings"][0]["notes"] == {"size": 32}
    assert {key: best[key] for key in ("empty", "skipped", "collapsed")} == {
        "empty": 2 * 3,  # in the last epoch of each seed
        "skipped": 0,
        "collapsed": ["scale:1.0"],
    }
    assert [failure["trial"] for failure in read["failures"]] == ["margin-9_s0", "margin-9_s1"]
    assert len(read["rows"]) == 2 * 2
    assert (tmp_path / "study.csv").read_text(encoding="utf-8").count("\n") == 1 + 4
    assert "margin 0.5" in (tmp_path / "study.html").read_text(encoding="utf-8")
