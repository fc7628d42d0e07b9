"""All checks together: none stops the others, none is forgotten."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kilnsense.doctor import CHECKS, Asked, Finding, examine
from kilnsense.doctor.packages import Project
from kilnsense.doctor.ranges import Need
from kilnsense.doctor.system import Limits

OF_THE_COMPUTER = {
    *("python", "packages", "extra:train", "extra:search", "extra:plant", "extra:ray", "extra:dev"),
    *("opencv_wheel", "opencv", "truncated_jpeg", "video", "onnxruntime", "cores", "memory", "clock"),
    *("clock_rate", "secrets", "environment", "sqlite", "disk", "writing", "sqlite_wal"),
}


def by_name(asked: Asked, only: str = "") -> dict[str, Finding]:
    checks = {only: CHECKS[only]} if only else CHECKS
    return {finding.name: finding for finding in examine(asked, checks)}


def test_this_computer_is_examined_without_a_failing_check(tmp_path: Path) -> None:
    said = by_name(Asked(out=tmp_path, here=tmp_path))
    assert said.keys() >= OF_THE_COMPUTER
    assert not said.keys() & {"bundle", "judging", "source", "picture"}
    allowed = {"disk", "memory", "writing"}  # what the tests run on may be full
    assert [name for name, finding in said.items() if finding.state == "fail" and name not in allowed] == []


def test_a_bundle_and_a_folder_are_examined_when_given(tiny_bundle: Path, tiny_root: Path) -> None:
    said = by_name(Asked(out=tiny_root, bundle=tiny_bundle, source=tiny_root))
    assert {"bundle", "judging", "source", "picture"} <= said.keys()


def good(_: Asked) -> Iterator[Finding]:
    yield Finding("good", "ok", "all is well")


@pytest.mark.parametrize(
    ("error", "found", "fix"),
    [
        (
            ImportError("libGL.so.1: cannot open", name="cv2"),
            "cv2 cannot be loaded (libGL.so.1: cannot open)",
            "pip install --force-reinstall opencv-python-headless",
        ),
        (
            ModuleNotFoundError("No module named 'numpy._core'", name="numpy._core"),
            "numpy cannot be loaded (No module named 'numpy._core')",
            "pip install --force-reinstall numpy",
        ),
        (ImportError("odd"), "kilnsense cannot be loaded (odd)", "pip install --force-reinstall kilnsense"),
        (
            PermissionError(13, "Permission denied", "/x"),
            "/x cannot be used (Permission denied)",
            "let this user read and write it, with all folders above it",
        ),
        (
            RuntimeError("a\nb"),
            "the check stopped with RuntimeError: a b",
            "report this line with the output of `kilnsense doctor --json`",
        ),
    ],
)
def test_a_check_that_stops_is_a_finding_and_the_next_goes_on(error: Exception, found: str, fix: str) -> None:
    def bad(_: Asked) -> Iterator[Finding]:
        yield Finding("first", "ok", "before it stopped")
        raise error

    said = list(examine(Asked(out=Path()), {"bad": bad, "good": good}))
    assert [finding.name for finding in said] == ["first", "bad", "good"]
    assert said[1] == Finding("bad", "fail", found, fix)


def test_a_copy_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kilnsense.doctor.packages.read_project", lambda: None)
    said = by_name(Asked(out=Path()), "packages")
    assert (said["packages"].state, said["packages"].fix) == ("warn", "pip install kilnsense")
    assert said["opencv_wheel"].state == "ok"


def test_the_metadata_reach_their_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(">=99", (Need("numpy", ">=2"), Need("torch", ">=2", "train")))
    wheels = {"numpy": "1.0", "opencv-python": "4", "opencv-python-headless": "4", "torch": "1"}
    monkeypatch.setattr("kilnsense.doctor.packages.read_project", lambda: project)
    monkeypatch.setattr("kilnsense.doctor.packages.read_installed", lambda: wheels)
    said = by_name(Asked(out=Path()), "packages")
    assert {name: finding.state for name, finding in said.items()} == {
        "python": "fail",
        "packages": "fail",
        "extra:train": "warn",
        "opencv_wheel": "fail",
    }


def test_the_facts_of_the_system_reach_their_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kilnsense.doctor.system.read_limits", lambda: Limits(memory=1000, cores=0.5))
    monkeypatch.setattr("kilnsense.doctor.system.read_meminfo", lambda: "MemAvailable: 9000000 kB")
    monkeypatch.setattr("kilnsense.doctor.system.built", lambda: 1e11)
    said = by_name(Asked(out=Path()), "system")
    assert {name: finding.state for name, finding in said.items()} == {
        "cores": "warn",
        "memory": "fail",
        "clock": "fail",
        "clock_rate": "ok",
    }


def test_variables_and_secrets_of_this_process_reach_their_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILNSENSE_TRIANING__EPOCHS", "3")
    (tmp_path / "token.txt").touch(mode=0o644)
    (tmp_path / "token.txt").chmod(0o644)
    asked = Asked(out=tmp_path, here=tmp_path)
    found = by_name(asked, "environment")["environment"].found
    assert found.startswith("KILNSENSE_TRIANING__EPOCHS ")
    assert by_name(asked, "permissions")["secrets"].state == "warn"
