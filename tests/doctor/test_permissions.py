"""Secrets that everyone may read."""

from pathlib import Path

import pytest

from kilnsense.doctor.permissions import check_secrets


def write(path: Path, mode: int) -> None:
    path.write_text("x", encoding="utf-8")
    path.chmod(mode)


@pytest.mark.parametrize("name", ["camera_password.txt", "API-Token", "mqtt.SECRET.json"])
def test_a_secret_that_everyone_may_read_is_found(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, 0o644)
    finding = check_secrets(tmp_path)
    assert (finding.state, finding.fix) == ("warn", f"chmod o-rwx {name}")
    assert name in finding.found


def test_secrets_kept_and_other_files_are_well(tmp_path: Path) -> None:
    write(tmp_path / "password.txt", 0o640)
    write(tmp_path / "frames.csv", 0o644)
    (tmp_path / "secrets").mkdir(mode=0o755)
    assert check_secrets(tmp_path).state == "ok"


def test_names_with_blanks_are_quoted_in_the_fix(tmp_path: Path) -> None:
    write(tmp_path / "a token", 0o644)
    write(tmp_path / "b token", 0o604)
    assert check_secrets(tmp_path).fix == "chmod o-rwx 'a token' 'b token'"


def test_a_folder_that_cannot_be_listed_is_said(tmp_path: Path) -> None:
    assert check_secrets(tmp_path / "none").state == "warn"


def test_elsewhere_permissions_are_not_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "token", 0o644)
    monkeypatch.setattr("kilnsense.doctor.permissions._POSIX", False)
    assert check_secrets(tmp_path).found == "not checked here"
