import importlib
import time
from pathlib import Path
from typing import Any

import pytest

from kilnsense.doctor.patience import with_patience
from kilnsense.doctor.source import check_source


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("fake_checks")


def test_findings_come_through_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none", encoding="utf-8")
    found = list(with_patience(check_source, tmp_path, name="source", option="--source"))
    assert found == list(check_source(tmp_path))
    assert len(found) == 3


@pytest.mark.parametrize("check", ["sleeps", "stops_itself"])
def test_a_check_that_does_not_go_on_fails_in_time_and_is_killed(
    checks: Any, tmp_path: Path, check: str
) -> None:
    begun = time.monotonic()
    found = list(
        with_patience(getattr(checks, check), tmp_path, name="source", option="--source", seconds=2.0)
    )
    assert time.monotonic() - begun < 8
    assert [(one.name, one.state) for one in found] == [("first", "ok"), ("source", "fail")]
    assert found[1].found == f"{tmp_path} gave no answer within 2 s"
    assert "mount it anew, or give another --source" in found[1].fix
    process = int((tmp_path / "process").read_text(encoding="utf-8"))
    assert not Path(f"/proc/{process}").exists()


def test_a_check_that_ends_its_process_fails(checks: Any, tmp_path: Path) -> None:
    (found,) = with_patience(checks.dies, tmp_path, name="source", option="--source")
    assert found.state == "fail"
    assert "ended the process" in found.found


def test_an_error_of_a_check_is_raised_here(checks: Any, tmp_path: Path) -> None:
    with pytest.raises(PermissionError, match="not allowed"):
        list(with_patience(checks.refuses, tmp_path, name="source", option="--source"))
