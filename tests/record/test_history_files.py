"""The files of a history: where pictures lie, and how damaged ones are set aside and removed."""

from pathlib import Path

from kilnsense.record.history_files import bytes_of, list_aside, picture_file, remove, set_aside


def test_what_is_set_aside_takes_its_logs_along_and_is_listed_oldest_first(tmp_path: Path) -> None:
    """A log that stayed behind could be taken for that of the fresh file."""
    for at in (2e9, 1e9):
        for name in ("history.sqlite", "history.sqlite-wal", "history.sqlite-shm", "other-wal"):
            (tmp_path / name).write_text(name, encoding="utf-8")
        aside = set_aside(tmp_path / "history.sqlite", at)
        assert aside.read_text(encoding="utf-8") == "history.sqlite"
    first, second = "history.sqlite.corrupt.20010909T014640.000000Z", "history.sqlite.corrupt.20330518T033320"
    listed = [path.name for path in list_aside(tmp_path)]
    assert listed[:3] == [first, f"{first}-shm", f"{first}-wal"]
    assert all(name.startswith(second) for name in listed[3:])
    assert len(listed) == 6
    assert sorted(path.name for path in tmp_path.iterdir() if path.name not in listed) == ["other-wal"]


def test_sizes_and_removal_of_files_and_folders(tmp_path: Path) -> None:
    file, folder = tmp_path / "a", tmp_path / "b"
    file.write_bytes(b"123")
    (folder / "c").mkdir(parents=True)
    (folder / "c" / "d").write_bytes(b"12345")
    assert (bytes_of(file), bytes_of(folder)) == (3, 5)
    remove(file)
    remove(folder)
    assert not list(tmp_path.iterdir())


def test_a_thousand_pictures_share_a_folder(tmp_path: Path) -> None:
    def place(number: int, overlay: bool) -> str:
        return picture_file(tmp_path, number, overlay=overlay).relative_to(tmp_path).as_posix()

    assert place(7, overlay=False) == "pictures/000000/000000007.jpg"
    assert place(1234567, overlay=True) == "pictures/001234/001234567.overlay.jpg"
