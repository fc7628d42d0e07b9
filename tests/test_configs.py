"""Every config of the project loads, fits together, and is used somewhere."""

from pathlib import Path

import pytest

from kilnsense.assemble import check_parts, make_encoder
from kilnsense.config import load_config, load_study
from kilnsense.study.plan import plan_trials, trial_config

ROOT = Path(__file__).parents[1]
PLANT = ("alerts.yml", "grafana.json")
"""For Prometheus and Grafana; tests/links/test_metrics.py reads them."""

FILES = sorted((ROOT / "configs").iterdir())
CONFIGS = [path for path in FILES if path.name not in PLANT]
STUDIES = [path for path in CONFIGS if path.name.startswith("study_")]
MONITORS = [ROOT / "configs" / "monitor.yaml"]
MODELS = [path for path in CONFIGS if path not in (*STUDIES, *MONITORS)]


def test_there_are_configs_and_nothing_else() -> None:
    assert CONFIGS
    assert [path.name for path in CONFIGS if path.suffix != ".yaml"] == []


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_config_loads_and_its_parts_fit(path: Path) -> None:
    config = load_config(path)
    check_parts(config)
    assert config.name == path.stem
    if not config.branches.pretrained:
        assert make_encoder(config).views == config.branches.views


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_trial_of_a_study_can_be_built(path: Path) -> None:
    study = load_study(path)
    trials = plan_trials(study)
    assert study.name == path.stem
    assert len(study.seeds) > 1
    for trial in trials:
        config = trial_config(study, trial)
        if trial.seed == study.seeds[0]:
            assert make_encoder(config).views == config.branches.views


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_config_is_used(path: Path) -> None:
    """Named in the README, the Makefile, a pipeline, a verb or a link; else nobody would see it go wrong."""
    places = [
        ROOT / "README.md",
        ROOT / "Makefile",
        *ROOT.glob("pipelines/*"),
        *ROOT.glob("kilnsense/cli/*.py"),
        *ROOT.glob("kilnsense/links/*.py"),
    ]
    texts = [place.read_text(encoding="utf-8") for place in places if place.is_file()]
    assert any(path.name in text for text in texts), f"configs/{path.name} is named nowhere"
