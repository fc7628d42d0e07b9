"""The trials of a study: which, in what order, called what, and refused before any work where wrong."""

import re
from typing import Any

import pytest

from kilnsense.config import StudyConfig, check_config
from kilnsense.errors import ConfigError
from kilnsense.study.plan import axis_names, plan_trials, setting_label, short_value, trial_config


def study(**values: Any) -> StudyConfig:
    return StudyConfig.model_validate({"task": "pictures", "name": "try", "seeds": [3, 1], **values})


def test_variants_cross_the_grid_and_the_seeds() -> None:
    trials = plan_trials(
        study(
            variants=[{"name": "hard", "settings": {"metric.miner": "hardest"}}, {"name": "semi"}],
            grid={"metric.margin": [0.1, 0.2], "branches.dimensions": [2, 8], "training.epochs": [3]},
        )
    )
    assert len(trials) == 2 * 2 * 2 * 2
    assert [trial.name for trial in trials[:4]] == [
        "hard_margin-0.1_dimensions-2_s3",
        "hard_margin-0.1_dimensions-2_s1",
        "hard_margin-0.1_dimensions-8_s3",
        "hard_margin-0.1_dimensions-8_s1",
    ]
    assert trials[0].setting == trials[1].setting == "hard, margin 0.1, dimensions 2"
    assert trials[-1].variant == "semi"
    assert trials[0].settings == {
        "metric.miner": "hardest",
        "metric.margin": 0.1,
        "branches.dimensions": 2,
        "training.epochs": 3,
    }
    assert len({trial.name for trial in trials}) == 16
    assert len({trial.setting for trial in trials}) == 8
    assert plan_trials(study())[0].name == "base_s3"


def test_the_config_of_a_trial_has_its_settings_and_its_seed() -> None:
    one = study(base={"metric": {"margin": 0.7}}, grid={"branches.dimensions": [2, 8]})
    config = trial_config(one, plan_trials(one)[3])
    assert (config.seed, config.branches.dimensions, config.metric.margin) == (1, 8, 0.7)
    assert config == check_config(
        {"seed": 1, "branches": {"dimensions": 8}, "metric": {"margin": 0.7}}, origin="test"
    )


def test_folders_are_safe_and_differ_also_where_names_nearly_agree() -> None:
    trials = plan_trials(
        study(
            variants=[
                {"name": name} for name in ("a b", "a-b", "A/b", "../x", "x" * 200, "x" * 199 + "y", "é")
            ],
            grid={"branches.views": [["region:flame"], ["region:flame", "scale:0.5"], ["scale:1.0"] * 9]},
        )
    )
    names = [trial.name for trial in trials]
    assert len({name.casefold() for name in names}) == len(names) == 42
    assert all(re.fullmatch(r"[A-Za-z0-9_=+~-][A-Za-z0-9._=+~-]*", name) for name in names)
    assert max(map(len, names)) < 90
    assert "a-b_views-region-flame+scale-0.5_s3" in names


def test_values_that_read_alike_stay_apart() -> None:
    trials = plan_trials(study(grid={"metric.margin": [0.12345678, 0.12345679]}, seeds=[0]))
    assert [trial.setting for trial in trials] == ["margin 0.123457", "margin 0.123457~2"]
    assert len({trial.name for trial in trials}) == 2


def test_short_words() -> None:
    assert axis_names(["a.x", "b.x", "b.y", "c"]) == {"a.x": "a.x", "b.x": "b.x", "b.y": "y", "c": "c"}
    assert setting_label("", {}) == "base"
    assert setting_label("v", {"margin": None, "on": True}) == "v, margin default, on yes"
    values = [1, 1.0, False, "", [], {}, {"k": 0.5}, (1, "b"), 0.1 + 0.2]
    assert [short_value(value) for value in values] == [
        *("1", "1", "no", "none", "none", "none", "k=0.5", "1+b", "0.3")
    ]
    assert len(short_value("z" * 99)) == 28


@pytest.mark.parametrize("place", ["grid", "search"])
@pytest.mark.parametrize(
    ("task", "path", "message"),
    [
        ("frames", "classifier.kind", "nothing in a study of task frames reads; name classifiers in judges"),
        ("frames", "decide.folds", "nothing in a study of task frames reads; take it out"),
        ("pictures", "fusion.kind", "task pictures reads; .* only task frames has"),
        ("one_shot", "segment.restarts", "task one_shot reads; .* only task frames has"),
        ("pictures", "quality", "task pictures reads"),
        ("one_shot", "image.width", "task one_shot reads"),
    ],
)
def test_a_path_that_nothing_reads_is_refused(place: str, task: str, path: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"study try: {place} sets {path}, which .*{message}"):
        plan_trials(study(**{"task": task, place: {path: [1, 2]}}))
    with pytest.raises(ConfigError, match=f"variant 'v' sets {path}, which .*{message}"):
        plan_trials(study(task=task, variants=[{"name": "v", "settings": {path: 1}}]))


def test_frames_may_vary_how_they_are_seen() -> None:
    assert len(plan_trials(study(task="frames", grid={"fusion.kind": ["concat", "pca"]}))) == 4


def test_tuples_are_varied_only_where_they_are_drawn() -> None:
    drawn = {"name": "drawn", "settings": {"metric.miner": "as_drawn", "training.tuples": 8}}
    assert len(plan_trials(study(variants=[drawn, {"name": "mined"}]))) == 4
    with pytest.raises(
        ConfigError, match=r"trial mined, tuples 8: training\.tuples is read by miner as_drawn"
    ):
        plan_trials(study(variants=[{"name": "mined"}], grid={"training.tuples": [8, 16]}))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"judges": ["nearst"]}, "judges: got 'nearst'.*did you mean 'nearest'"),
        ({"judges": ["knn", "knn"]}, "judges: .*every judge once"),
        ({"grid": {"metric.margn": [1]}}, "study try, trial base: unknown key 'metric.margn'; did you mean"),
        ({"grid": {"metric.margin": [0.5, -1]}}, "study try, trial margin -1: metric.margin: .*got -1"),
        ({"grid": {"metric.margin": [1, 1]}}, "grid.metric.margin: got 1 twice"),
        ({"grid": {"seed": [1]}}, "got seed as a setting"),
        (
            {"grid": {"metric.loss": ["triplet", "tripel"]}},
            "trial loss tripel: .*metric.loss.*change the variant",
        ),
        (
            {"variants": [{"name": "cie", "settings": {"metric.distance": "ciede2000"}}]},
            "study try, trial cie: .*palette",
        ),
        (
            {
                "variants": [{"name": "a", "settings": {"metric": {"margin": 1}}}],
                "grid": {"metric.margin": [1]},
            },
            "variant 'a' sets metric and the grid sets metric.margin; take one of them out",
        ),
    ],
)
def test_a_combination_that_does_not_fit_is_named_before_any_work(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_trials(study(**values))
