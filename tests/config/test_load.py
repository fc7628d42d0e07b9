from pathlib import Path

import pytest
from pydantic import ValidationError

from kilnsense.config import Config, check_config, load_config, read_yaml
from kilnsense.errors import ConfigError


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("KILNSENSE_")]:
        monkeypatch.delenv(name)


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    path = tmp_path / "plant.yaml"
    path.write_text("name: plant\nclasses: [lean, mid, rich]\nimage:\n  width: 320\n")
    return path


def test_nothing_given_is_the_default() -> None:
    assert load_config() == Config()


def test_a_file_is_laid_over_the_defaults(file: Path) -> None:
    config = load_config(file)
    assert (config.name, config.classes, config.image.width) == ("plant", ("lean", "mid", "rich"), 320)
    assert config.segment == Config().segment


def test_settings_beat_the_environment_which_beats_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILNSENSE_IMAGE__WIDTH", "400")
    monkeypatch.setenv("KILNSENSE_DECIDE__FOLDS", "3")
    assert load_config(file).image.width == 400
    config = load_config(file, ["image.width=500", "classes=[a, b]", "branches.pretrained=true"])
    assert (config.image.width, config.decide.folds) == (500, 3)
    assert (config.classes, config.branches.pretrained) == (("a", "b"), True)


def test_json_round_trip_keeps_everything() -> None:
    config = load_config(settings=["image.roi=[[0,0],[1,0],[0.5,1]]", "classifier.options={neighbours: 3}"])
    assert check_config(config.model_dump(mode="json"), origin="bundle") == config


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Config().seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("imgae.width=3", "unknown key 'imgae'; did you mean 'image'"),
        ("image.widht=3", r"unknown key 'image\.widht'; did you mean 'width'"),
        ("image.xyz=3", r"unknown key 'image\.xyz'; allowed: width, "),
        ("image.width=0", r"image\.width: .*greater than or equal to 1, got 0"),
        ("image.width=wide", r"image\.width: .*got 'wide'"),
        ("decide.min_confidence=1.5", r"decide\.min_confidence: .*less than or equal to 1, got 1\.5"),
        ("segment.space=hsv", r"segment\.space: .*'lab' or 'weighted_rgb', got 'hsv'"),
        ("classes=[one]", "classes: .*at least 2 items"),
        ("classes=[a, a]", r"classes: got \['a', 'a'\], allowed: every name once"),
        ("segment.names=[a, a]", r"segment\.names: got .*allowed: every name once"),
        ("branches.views=['region:sky']", r"'region:sky' names no region of segment\.names \(coal, wall"),
        ("branches.views=['scale:2']", r"got 'scale:2', allowed: scale:0\.1"),
        ("branches.views=['scale:x']", r"got 'scale:x', allowed: scale:0\.1"),
        ("branches.views=['zoom:1']", "got 'zoom:1', allowed: region:<name> or scale:<fraction>"),
        ("name=a/b", "name: .*pattern"),
        ("seed", r"--set: got 'seed', allowed: a\.b=value"),
        ("seed=[1", r"--set seed: got '\[1', which is no YAML value"),
        ("seed.deep=1", r"seed: .*got \{'deep': 1\}"),
        ("branches.size=15", r"branches\.size: .*greater than or equal to 16, got 15"),
        ("training.learning_rate=.inf", r"training\.learning_rate: .*finite number, got inf"),
        ("augment.blur=.nan", r"augment\.blur: .*finite number, got nan"),
        ("segment.names=[a, '']", r"segment\.names\.1: .*at least 1 character, got ''"),
        ("classes=['', a]", r"classes\.0: .*at least 1 character, got ''"),
        ("data.keep.usable=[1]", r"data\.keep\.usable: .*valid string, got \[1\]"),
    ],
)
def test_faults_are_named_with_path_and_remedy(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(settings=[setting])


def test_numbers_and_booleans_to_keep_are_cells_of_text() -> None:
    settings = ["data.keep.usable=1", "data.keep.clear=true", "data.keep.gain=0.5", "data.keep.day=Mon"]
    kept = load_config(settings=settings).data.keep
    assert kept == {"usable": "1", "clear": "true", "gain": "0.5", "day": "Mon"}


def test_a_value_is_not_a_section() -> None:
    with pytest.raises(
        ConfigError, match="--set seed.deep: 'seed' is a value, not a section".replace(".", r"\.")
    ):
        load_config(settings=["seed=1", "seed.deep=1"])


def test_several_faults_are_counted() -> None:
    with pytest.raises(ConfigError, match=r"\(and 1 more\)"):
        check_config({"seed": -1, "name": ""}, origin="x")


def test_files_that_are_no_mapping_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    with pytest.raises(ConfigError, match=r"x\.yaml: cannot be read \(No such file"):
        read_yaml(path)
    path.write_text("- 1\n")
    with pytest.raises(ConfigError, match="got a list, allowed: a mapping"):
        read_yaml(path)
    path.write_text("a: [1\n")
    with pytest.raises(ConfigError, match="is no YAML"):
        read_yaml(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is no YAML"):
        read_yaml(path)
    path.write_text("")
    assert read_yaml(path) == {}


def test_yaml_cannot_make_objects(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("name: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(ConfigError, match="is no YAML"):
        read_yaml(path)
