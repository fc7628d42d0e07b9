"""Whole lines, whatever happens: one file a day and camera, torn ends, a full disk."""

import csv
import json
from pathlib import Path

import pytest

from kilnsense.links.files import FilesLink, append_line, open_files
from kilnsense.links.link import Station
from tests.broker import until
from tests.links.made import AT, CLASSES, event, reading
from tests.links.test_outbox import no_file_beyond

DAY = 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def opened(folder: Path, clock: Clock, *formats: str) -> FilesLink:
    return open_files(formats or ("csv", "jsonl"), Station("works", folder, {"kiln1": CLASSES}), clock=clock)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_line_is_written_on_change_and_every_ten_seconds(tmp_path: Path) -> None:
    clock = Clock()
    link = opened(tmp_path, clock)
    said = [("normal", 0.0), ("normal", 9.9), ("over", 9.95), ("over", 19.9), ("over", 20.0), (None, 21.0)]
    for seq, (state, at) in enumerate(said):
        clock.now = at
        link.reading(reading(state, reason="" if state else "unfamiliar", seq=seq, at=AT + at))
    link.alarm(event(0))
    link.close()
    found = rows(tmp_path / "readings" / "kiln1-2025-06-15.csv")
    assert [(row["seq"], row["state"]) for row in found] == [
        ("0", "normal"),
        ("2", "over"),
        ("4", "over"),
        ("5", "UNKNOWN"),
    ]
    assert found[1]["p_over"] == "0.9000"
    assert (found[3]["p_over"], found[3]["reason"]) == ("", "unfamiliar")
    lines = (tmp_path / "readings" / "kiln1-2025-06-15.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [0, 2, 4, 5]
    assert json.loads(lines[0])["at"] == "2025-06-15T15:06:40.250Z"
    assert found[0]["at"] == "2025-06-15T15:06:40.250Z"


def test_every_day_and_camera_has_its_file(tmp_path: Path) -> None:
    link = opened(tmp_path, Clock(), "csv")
    link.reading(reading(camera="kiln1"))
    link.reading(reading(camera="kiln2"))
    link.reading(reading("over", camera="kiln1", at=AT + DAY))
    link.close()
    names = sorted(path.name for path in (tmp_path / "readings").iterdir())
    assert names == ["kiln1-2025-06-15.csv", "kiln1-2025-06-16.csv", "kiln2-2025-06-15.csv"]


def test_a_torn_line_is_removed_before_the_file_goes_on(tmp_path: Path) -> None:
    for form in ("csv", "jsonl"):
        link = opened(tmp_path, Clock(), form)
        link.reading(reading("normal", seq=1))
        link.close()
        path = tmp_path / "readings" / f"kiln1-2025-06-15.{form}"
        whole = path.read_bytes()
        path.write_bytes(whole + b"2025-06-15T15:06,to" * 700)
        link = opened(tmp_path, Clock(), form)
        link.reading(reading("over", seq=2))
        link.close()
        assert path.read_bytes().startswith(whole)
        assert b"15:06,to" not in path.read_bytes()
        assert path.read_bytes().count(b"\n") == whole.count(b"\n") + 1


def test_a_torn_header_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b", encoding="utf-8")
    append_line(path, "1,2\n", header="a,b,c\n")
    assert path.read_text(encoding="utf-8") == "a,b,c\n1,2\n"


def test_other_classes_begin_another_file(tmp_path: Path) -> None:
    (tmp_path / "readings").mkdir()
    old = tmp_path / "readings" / "kiln1-2025-06-15.csv"
    old.write_text("at,camera,p_hot\n", encoding="utf-8")
    link = opened(tmp_path, Clock(), "csv")
    link.reading(reading())
    link.close()
    assert old.read_text(encoding="utf-8") == "at,camera,p_hot\n"
    assert len(rows(tmp_path / "readings" / "kiln1-2025-06-15-2.csv")) == 1


def test_a_full_disk_is_a_trouble_and_leaves_no_torn_line(tmp_path: Path) -> None:
    clock = Clock()
    link = opened(tmp_path, clock, "jsonl")
    link.reading(reading(seq=0))
    path = tmp_path / "readings" / "kiln1-2025-06-15.jsonl"
    until(lambda: path.exists() and path.stat().st_size > 0 and not link._waiting)
    size = path.stat().st_size
    with no_file_beyond(size + 100):
        for seq in (1, 2):
            clock.now += 10
            link.reading(reading(seq=seq))
        until(lambda: "cannot be written" in link.trouble())
        assert path.stat().st_size == size
    until(lambda: link.trouble() == "")
    link.close()
    assert [json.loads(line)["seq"] for line in path.read_text(encoding="utf-8").splitlines()] == [0, 1, 2]


@pytest.mark.parametrize("cut", [1, 50, 5000])
def test_a_line_is_added_whole_at_any_length(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"x" * cut + b"\n" + b"y" * cut)
    append_line(path, "z\n")
    assert path.read_bytes() == b"x" * cut + b"\nz\n"
