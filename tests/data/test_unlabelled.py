"""Pictures without a label are found, in a manifest and beside class folders."""

from pathlib import Path

from kilnsense.config import DataConfig
from kilnsense.data.unlabelled import filtered_files, unlabelled_files


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def test_rows_without_a_label_and_pictures_in_no_row(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.JPG", "day/c.tif", "d.png", "notes.txt", ".hidden.png")
    rows = "path,label,group,use\na.png,under,r,1\nb.JPG,,r,1\nd.png,,r,0\n"
    (tmp_path / "m.csv").write_text(rows, encoding="utf-8")
    config = DataConfig(root=str(tmp_path), manifest="m.csv")
    assert unlabelled_files(config) == ["b.JPG", "d.png", "day/c.tif"]
    kept = config.model_copy(update={"keep": {"use": "1"}})
    assert unlabelled_files(kept) == ["b.JPG", "day/c.tif"]
    assert filtered_files(kept) == ["d.png"]
    assert filtered_files(config) == []


def test_pictures_beside_class_folders(tmp_path: Path) -> None:
    touch(tmp_path, "under/a.png", "over/b.png", "stray.png", "readme.md")
    assert unlabelled_files(DataConfig(root=tmp_path.name), base=tmp_path.parent) == ["stray.png"]
    assert filtered_files(DataConfig(root=tmp_path.name), base=tmp_path.parent) == []
