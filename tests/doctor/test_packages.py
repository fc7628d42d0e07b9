"""Python, packages, extras and OpenCV wheels: every fault is found, from metadata made up for it."""

from importlib import metadata
from pathlib import Path

import pytest

from kilnsense.doctor.packages import (
    USED_BY,
    check_base,
    check_extra,
    check_opencv_wheels,
    check_python,
    read_installed,
    read_project,
)
from kilnsense.doctor.ranges import Need

NEEDS = (Need("numpy", ">=2.0"), Need("rich", ">=13"))
TRAIN = (Need("torch", "==2.15.0", "train"), Need("torchvision", "==0.29.2", "train"))


@pytest.mark.parametrize(("version", "state"), [("3.11.0", "ok"), ("3.14.2", "ok"), ("3.10.14", "fail")])
def test_an_old_python_is_found(version: str, state: str) -> None:
    finding = check_python(">=3.11", found=version)
    assert finding.state == state
    assert version in finding.found


def test_good_packages_are_one_line_with_their_versions() -> None:
    (finding,) = check_base(NEEDS, {"numpy": "2.4.6", "rich": "15.0.0", "other": "1"})
    assert (finding.state, finding.found) == ("ok", "all 2 in their ranges: numpy==2.4.6, rich==15.0.0")


def test_a_missing_and_an_old_package_are_two_lines_with_what_to_install() -> None:
    missing, old = check_base(NEEDS, {"rich": "12.9"})
    assert (missing.state, missing.fix) == ("fail", 'pip install "numpy>=2.0"')
    assert missing.found == "numpy: not installed, needed: >=2.0"
    assert (old.state, old.fix) == ("fail", 'pip install "rich>=13"')
    assert old.found == "rich: 12.9, needed: >=13"


@pytest.mark.parametrize(
    ("installed", "state", "words"),
    [
        ({"torch": "2.15.0", "torchvision": "0.29.2"}, "ok", "installed; used by: demo, train"),
        ({"torch": "2.15.0+cpu", "torchvision": "0.29.2+cpu"}, "ok", "installed;"),
        ({}, "ok", "not installed; used by: demo, train"),
        ({"torch": "2.15.0"}, "ok", "lacks torchvision;"),
        ({"torch": "2.14.0", "torchvision": "0.29.2"}, "warn", "torch 2.14.0, needed: torch==2.15.0"),
        ({"torch": "2.15.0+cpu", "torchvision": "0.29.2"}, "warn", "are of two builds"),
    ],
)
def test_an_extra_may_be_missing_but_not_of_other_versions(
    installed: dict[str, str], state: str, words: str
) -> None:
    finding = check_extra("train", TRAIN, installed)
    assert (finding.name, finding.state) == ("extra:train", state)
    assert words in finding.found


def test_the_extras_that_verbs_use_are_those_of_the_project() -> None:
    project = read_project()
    assert project is not None
    assert USED_BY.keys() <= set(project.extras)
    assert set(project.of("search")) == {Need("optuna", ">=4", "search")}
    assert {"numpy", "onnxruntime"} <= {need.name for need in project.of("")}


@pytest.mark.parametrize(
    "wheel",
    [
        *("opencv-python", "opencv-python-headless"),
        *("opencv-contrib-python", "opencv-contrib-python-headless"),
    ],
)
def test_one_wheel_of_opencv_is_right(wheel: str) -> None:
    assert check_opencv_wheels(["numpy", wheel]).state == "ok"


def test_two_wheels_of_opencv_are_found_and_named() -> None:
    finding = check_opencv_wheels(["opencv-python-headless", "numpy", "opencv-python"])
    assert finding.state == "fail"
    assert finding.found == "2 overwrite each other: opencv-python, opencv-python-headless"
    assert finding.fix.startswith("pip uninstall -y opencv-python opencv-python-headless && pip install ")


def test_no_wheel_of_opencv_is_found() -> None:
    assert check_opencv_wheels(["numpy"]).state == "fail"


def write_metadata(folder: Path, name: str, text: str) -> metadata.Distribution:
    place = folder / f"{name}.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text(text, encoding="utf-8")
    return metadata.Distribution.at(place)


def test_installed_packages_are_read_from_their_folders(tmp_path: Path) -> None:
    """The first of a name counts, as for imports; what an interrupted installation left is passed over."""
    found = [
        write_metadata(tmp_path / "a", "x", "Metadata-Version: 2.1\nName: Open_CV.Python\nVersion: 4.9\n"),
        write_metadata(tmp_path / "b", "x", "Metadata-Version: 2.1\nName: opencv-python\nVersion: 4.8\n"),
        write_metadata(tmp_path / "c", "open", "Metadata-Version: 2.1\nName: open-cv-python\nVersion: 1\n"),
        write_metadata(tmp_path / "d", "cut", ""),
        write_metadata(tmp_path / "e", "odd", "Metadata-Version: 2.1\nName: odd\n"),
    ]
    assert read_installed(found) == {"open-cv-python": "4.9", "opencv-python": "4.8", "odd": "unknown"}


def test_the_packages_of_this_computer_are_read() -> None:
    installed, project = read_installed(), read_project()
    assert project is not None
    assert check_base(project.of(""), installed)[0].state == "ok"
    assert check_python(project.python).state == "ok"


def test_a_project_that_is_not_installed_has_no_metadata() -> None:
    assert read_project("kilnsense-not-there") is None
