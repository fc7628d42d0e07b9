import stat
from pathlib import Path

import pytest

from kilnsense.errors import ConfigError, StorageError
from kilnsense.web.keys import KEY, kept_keys


def test_a_file_is_made_once_and_its_keys_stay(tmp_path: Path) -> None:
    path = tmp_path / "new" / "key"
    first = kept_keys(path)
    assert kept_keys(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["key"]
    assert KEY.fullmatch(first.token)
    assert KEY.fullmatch(first.view_token)
    assert first.view_token != first.token
    assert kept_keys(tmp_path / "other").token != first.token


def test_a_given_key_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_text("a" * 25 + "\n", encoding="utf-8")
    assert kept_keys(path).token == "a" * 25


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_file_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    kept_keys(path)
    path.chmod(mode)
    with pytest.raises(ConfigError, match="its owner alone can read; run chmod 600"):
        kept_keys(path)


@pytest.mark.parametrize("text", ["", "short", "with spaces in it, and long", "é" * 30, "a" * 300])
def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="allowed: one key of 20 to 200") as caught:
        kept_keys(path)
    assert not text or text not in str(caught.value)


def test_a_folder_and_a_place_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        kept_keys(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises((StorageError, ConfigError), match="key file"):
        kept_keys(tmp_path / "file" / "key")
