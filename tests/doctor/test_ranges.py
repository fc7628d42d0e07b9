"""Versions and ranges: against the usual reader where it is installed, and by cases."""

import tomllib
from itertools import product
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from kilnsense.doctor.ranges import Need, normal_name, read_need, within
from kilnsense.errors import InputError

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
VERSIONS = (
    "1",
    "1.9.9",
    "2.0",
    "2.0.0",
    "2.0.1",
    "2.0rc1",
    "2.0.dev3",
    "2.0.post1",
    "2.15.0+cpu",
    "10.1.0.93",
)
RANGES = (">=2.0", ">2", "<2.0", "<=2.0.0", "==2.0", "!=2.0", ">=1.9,<3", "==2.15.0", "<10.1.1", "")


def test_the_ranges_say_what_the_usual_reader_says() -> None:
    """Apart from > and < beside pre- and post-releases, where the usual reader has rules of its own."""
    said = {}
    for version, allowed in product(VERSIONS, RANGES):
        early, late = "rc" in version or "dev" in version, "post" in version
        if (late and ">2" in allowed) or (early and "<2" in allowed):
            continue
        said[version, allowed] = within(version, allowed)
        expected = SpecifierSet(allowed).contains(version, prereleases=True)
        assert said[version, allowed] == expected, (version, allowed)
    assert len(said) > 80
    assert set(said.values()) == {True, False}


@pytest.mark.parametrize("version", ["unknown", "", "None", "x1"])
def test_what_is_no_version_is_in_no_range(version: str) -> None:
    assert not within(version, "")
    assert not within(version, ">=1")


@pytest.mark.parametrize("allowed", ["~=2.0", "2.0", ">=", "==2.*", ">=x"])
def test_a_range_of_another_form_is_refused(allowed: str) -> None:
    with pytest.raises(InputError, match="range: got"):
        within("2.0", allowed)


@pytest.mark.parametrize(
    ("text", "need"),
    [
        ("numpy>=2.0", Need("numpy", ">=2.0")),
        ("PyYAML (>=6,<7)", Need("pyyaml", ">=6,<7")),
        ('torch==2.15.0; extra == "train"', Need("torch", "==2.15.0", "train")),
        ("ray[data]>=2.40; extra == 'ray'", Need("ray", ">=2.40", "ray")),
        ('types-PyYAML ; extra == "dev"', Need("types-pyyaml", "", "dev")),
    ],
)
def test_a_requirement_is_read(text: str, need: Need) -> None:
    assert read_need(text) == need
    assert need.text == need.name + need.allowed


@pytest.mark.parametrize("text", ['numpy>=2; python_version < "3.12"', "numpy~=2.0", "numpy @ https://x", ""])
def test_a_requirement_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="requirement: got"):
        read_need(text)


def test_names_are_compared_as_package_indexes_do() -> None:
    assert normal_name("Py_YAML.x--y") == "py-yaml-x-y"


def test_every_requirement_of_this_project_can_be_read() -> None:
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    needs = [read_need(text) for text in project["dependencies"]]
    assert {"numpy", "opencv-python-headless"} <= {need.name for need in needs}
    for extra in project["optional-dependencies"].values():
        assert all(read_need(text).name for text in extra)
    assert within("3.11.0", project["requires-python"])
