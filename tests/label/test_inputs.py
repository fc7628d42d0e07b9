"""Every file is an input, but for those that are passed over on purpose."""

import os
from pathlib import Path

import pytest

from kilnsense.errors import ConfigError, InputError, SourceError
from kilnsense.label.inputs import expect_files, is_video, list_inputs, open_source


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for name in (
        "a.png",
        "day/b.jpg",
        "day/notes.txt",
        "day/thumbs/b.jpg",
        ".hidden",
        ".git/x",
        "day/Thumbs.db",
    ):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "in" / "way").symlink_to(tmp_path / "in" / "day")
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "in" / "a.png")
    return tmp_path / "in"


def test_all_files_but_hidden_ones_and_those_behind_links_to_folders(archive: Path) -> None:
    found = sorted(list_inputs(open_source(archive)))
    # A link to a folder is an input itself, and its row will say that it is no file.
    assert found == ["a.png", "day/b.jpg", "day/notes.txt", "day/thumbs/b.jpg", "link.png", "way"]


def test_patterns_and_dates_pass_files_over(archive: Path) -> None:
    source = open_source(archive, exclude=["*.txt", "*/thumbs/*", "way", "link.png"])
    assert sorted(list_inputs(source)) == ["a.png", "day/b.jpg"]
    os.utime(archive / "a.png", (1_000_000_000, 1_000_000_000))
    late = open_source(archive, exclude=["way", "link.png"], since="2001-09-10")
    assert "a.png" not in list(list_inputs(late))
    early = open_source(archive, since="2001-09-09T01:46:40+00:00")
    assert "a.png" in list(list_inputs(early))
    with pytest.raises(ConfigError, match="--since: got 'x', allowed: a date such as"):
        open_source(archive, since="x")


def test_one_file_is_a_source_and_nothing_is_none(archive: Path, tmp_path: Path) -> None:
    source = open_source(archive / "day" / "b.jpg")
    assert list(list_inputs(source)) == ["b.jpg"]
    assert source.root == archive / "day"
    with pytest.raises(SourceError, match="is not there; give a folder, a picture or a video"):
        open_source(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no files, or all are passed over"):
        expect_files(open_source(tmp_path / "empty"))
    expect_files(open_source(archive))


def test_names_of_videos() -> None:
    assert [is_video(name) for name in ("a.MP4", "a.avi", "a.mp4.txt", "mp4")] == [True, True, False, False]
