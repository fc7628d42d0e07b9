"""The search: it looks at validation alone, keeps to its space, goes on where it was, and checks first."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from kilnsense.config import StudyConfig
from kilnsense.errors import ConfigError, SourceError
from kilnsense.study.search import JOURNAL, Found, check_space, search_study
from kilnsense.study.workers import Task

MakeStudy = Callable[..., StudyConfig]

SPACE: dict[str, Any] = {
    "grid": {},
    "seeds": [0, 1],
    "search": {
        "metric.margin": {"low": 0.01, "high": 1.0},
        "branches.dimensions": {"low": 2, "high": 64, "log": True, "whole": True},
        "branches.views": [["scale:1.0"], ["scale:0.5", "scale:1.0"]],
    },
}


def drawn(found: Found) -> list[tuple[Any, ...]]:
    return [
        (draw.trial.name, draw.trial.variant, tuple(draw.trial.settings.items()), draw.validation)
        for draw in found.draws
    ]


def test_it_maximises_validation_and_reports_the_best_with_every_seed(
    fake: Task, make_study: MakeStudy, tmp_path: Path
) -> None:
    study = make_study(**SPACE)
    check_space(study)
    found = search_study(study, fake, draws=25, folder=tmp_path / "run")
    assert len(found.draws) == 25
    assert found.best is not None
    # Validation is best at 0.3; the test scores of the fake task rise with the margin.
    assert abs(found.best.trial.settings["metric.margin"] - 0.3) < 0.08
    assert found.best.validation == max(draw.validation or 0 for draw in found.draws)
    assert [one.trial.seed for one in found.finished] == [0, 1]
    assert {one.trial.setting for one in found.finished} == {found.best.trial.setting}
    assert found.failed == ()
    for draw in found.draws:
        settings = draw.trial.settings
        assert set(settings) == set(SPACE["search"])
        assert 0.01 <= settings["metric.margin"] <= 1.0
        assert settings["metric.margin"] == float(f"{settings['metric.margin']:.4g}")
        assert isinstance(settings["branches.dimensions"], int)
        assert settings["branches.views"] in ([["scale:1.0"]][0], ["scale:0.5", "scale:1.0"])


def test_variants_and_grid_are_part_of_the_space(fake: Task, make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(
        variants=[{"name": "wide", "settings": {"branches.dropout": 0.25}}, {"name": "narrow"}],
        grid={"metric.margin": [0.1, None, 0.3], "training.epochs": [2]},
        seeds=[5],
    )
    check_space(study)
    found = search_study(study, fake, draws=12, folder=tmp_path / "run")
    assert {draw.trial.variant for draw in found.draws} == {"wide", "narrow"}
    assert {draw.trial.settings["metric.margin"] for draw in found.draws} == {0.1, None, 0.3}
    assert {draw.trial.settings["training.epochs"] for draw in found.draws} == {2}
    assert all(
        draw.trial.settings["branches.dropout"] == 0.25
        for draw in found.draws
        if draw.trial.variant == "wide"
    )
    assert found.best is not None
    assert found.best.trial.settings["metric.margin"] == 0.3


def test_settings_that_come_twice_are_trained_once(fake: Task, make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(search={"metric.squared": [True, False]}, seeds=[0], grid={})
    found = search_study(study, fake, draws=8, folder=tmp_path / "run", processes=2)
    assert len(found.draws) == 8
    assert {draw.trial.name for draw in found.draws} <= {f"draw-{n:03d}_s0" for n in range(1, 9)}
    assert (
        len(list((tmp_path / "run" / "trials").iterdir()))
        == len({draw.trial.name for draw in found.draws})
        <= 2
    )


def test_a_draw_that_fails_is_no_best_and_no_end(fake: Task, make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(search={"metric.margin": [9.0, 0.2]}, seeds=[0], grid={})
    found = search_study(study, fake, draws=8, folder=tmp_path / "run")
    assert found.best is not None
    assert found.best.trial.settings == {"metric.margin": 0.2}
    assert [one.message[:17] for one in found.failed] == ["training: epoch 1"]
    none = make_study(search={"metric.margin": [9.0]}, seeds=[0], grid={})
    lost = search_study(none, fake, draws=2, folder=tmp_path / "lost")
    assert (lost.best, lost.finished) == (None, ())


def test_a_killed_search_goes_on_as_if_undisturbed(fake: Task, make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(**SPACE)
    undisturbed = search_study(study, fake, draws=6, folder=tmp_path / "whole")
    assert len({draw.trial.settings["metric.margin"] for draw in undisturbed.draws}) == 6
    third = undisturbed.draws[2].trial.settings["metric.margin"]
    script = (
        "import sys; from pathlib import Path; from fake_task import prepare\n"
        "from kilnsense.config import StudyConfig\nfrom kilnsense.study.search import search_study\n"
        "study = StudyConfig.model_validate_json(sys.argv[1])\n"
        "search_study(study, prepare, draws=6, folder=Path(sys.argv[2]))"
    )
    stop = {"FAKE_STOP": f"{third:g} 0 2", "FAKE_SIGNAL": "SIGKILL", "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(
        [sys.executable, "-c", script, study.model_dump_json(), str(tmp_path / "cut")],
        env={**os.environ, **stop},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "cut" / JOURNAL).exists()
    notes = tmp_path / "book" / "notes.txt"
    begun = len(notes.read_text(encoding="utf-8").splitlines())
    found = search_study(study, fake, draws=6, folder=tmp_path / "cut")
    assert drawn(found) == drawn(undisturbed)
    later = notes.read_text(encoding="utf-8").splitlines()[begun:]
    assert later[1] == f"margin {third:g} seed 0 epoch 3"
    more = search_study(study, fake, draws=8, folder=tmp_path / "cut")
    assert drawn(more)[:6] == drawn(undisturbed)
    assert len(more.draws) == 8


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"search": {"training.rate": {"low": 1, "high": 2}}}, "trial training.rate 1.0: unknown key"),
        ({"search": {"training.learning_rate": {"low": 0, "high": 2}}}, "learning_rate: .*greater than 0"),
        ({"search": {"metric.loss": ["triplet", "tripel"]}}, "trial metric.loss tripel: .*'tripel'"),
        ({"search": {"metric": [{}]}}, "search draws metric, which a variant or the grid sets; take one out"),
        ({"judges": ["x"]}, "judges: got 'x'"),
        (
            {"search": {"classifier.kind": ["svm"]}},
            "search sets classifier.kind, .*name classifiers in judges",
        ),
        ({"search": {"training.tuples": [8, 16]}}, "draws training.tuples, which miner as_drawn alone reads"),
    ],
)
def test_the_space_is_checked_before_any_work(make_study: MakeStudy, values: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_space(make_study(**values))


def test_tuples_are_drawn_where_their_miner_may_be(make_study: MakeStudy) -> None:
    check_space(make_study(search={"training.tuples": [8, 16], "metric.miner": ["as_drawn", "all"]}, grid={}))


def test_the_ranges_that_come_by_default_give_way(make_study: MakeStudy) -> None:
    check_space(make_study(grid={"training.learning_rate": [0.1]}))


def test_a_search_that_cannot_begin_leaves_no_journal(
    fake: Task, make_study: MakeStudy, tmp_path: Path
) -> None:
    study = make_study(base={"data": {"root": str(tmp_path / "gone")}}, grid={}, seeds=[0])
    with pytest.raises(SourceError, match="is no folder"):
        search_study(study, fake, draws=2, folder=tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"a": {"low": 1.5, "high": 3, "whole": True}}, "got 1.5 to 3.0 with whole, allowed: whole numbers"),
        ({"a": {"low": 0, "high": 3, "log": True}}, "got low 0.0 with log, allowed: above 0"),
        ({"a": []}, "search.a: got no values, allowed: one or more"),
    ],
)
def test_a_range_that_is_none_is_refused(make_study: MakeStudy, search: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_study(search=search)
