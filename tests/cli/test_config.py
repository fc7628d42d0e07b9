"""`kilnsense config`: models and studies alike."""

import json
from pathlib import Path

import pytest

from kilnsense.cli.main import run

CONFIGS = Path(__file__).parents[2] / "configs"


def test_a_study_is_checked_with_all_its_trials(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "check", str(CONFIGS / "study_margins.yaml"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"schema": "kilnsense.config/1", "ok": True, "name": "study_margins", "trials": 24}


def test_a_study_with_a_trial_that_does_not_fit_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["--set", "variants=[]", "--set", "grid={metric.distance: [cie76, cosine]}"]
    assert run(["config", "check", str(CONFIGS / "study_margins.yaml"), *settings]) == 2
    assert "cosine" in capsys.readouterr().err


def test_a_study_is_shown_whole_and_a_model_without_a_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "show", str(CONFIGS / "study_margins.yaml"), "--set", "seeds=[7]"]) == 0
    assert "seeds:\n- 7\n" in capsys.readouterr().out
    assert run(["config", "show"]) == 0
    assert "task:" not in capsys.readouterr().out


def test_the_schema_of_a_study_names_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "schema", "--of", "study"]) == 0
    assert "variants" in json.loads(capsys.readouterr().out)["properties"]
    assert run(["config", "schema"]) == 0
    assert "variants" not in json.loads(capsys.readouterr().out)["properties"]
