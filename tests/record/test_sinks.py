import csv
import json
from pathlib import Path

import pytest

from kilnsense.errors import ConfigError, InputError
from kilnsense.record.sinks import columns, csv_lines, jsonl_lines, row, write_records
from kilnsense.types import Record, Verdict

CLASSES = ("under", "normal", "over")
SEVENTEEN = (
    "path, sha256, width, height, status, reason, label, confidence, p_under, p_normal, p_over, margin, "
    "ood_score, quality_flags, captured_at, model_id, schema"
)

ACCEPTED = Record(
    path="run1/a.png",
    sha256="ab" * 32,
    width=1920,
    height=1080,
    status="ok",
    reason="accepted",
    verdict=Verdict("normal", 0.9, "accepted", "normal", (0.07, 0.9, 0.03), 0.25),
    captured_at="2025-01-02T03:04:05.000Z",
    model_id="0123456789ab",
)
UNSURE = Record(
    path='=cmd,"x".png',
    sha256="cd" * 32,
    width=8,
    height=6,
    status="review",
    reason="low_confidence",
    verdict=Verdict(None, 0.5, "low_confidence", "over", (0.3, 0.2, 0.5), 1 / 3, ("hazy",)),
    captured_at="",
    model_id="0123456789ab",
)
UNJUDGED = Record(
    path="-dark.png",
    sha256="ef" * 32,
    width=8,
    height=6,
    status="review",
    reason="bad_image",
    verdict=Verdict(None, 0.0, "bad_image", quality=("dark", "blurred")),
    captured_at="",
    model_id="0123456789ab",
)
BROKEN = Record("note\n.txt", "", 0, 0, "bad", "not_an_image", None, "", "0123456789ab", "no picture")
RECORDS = [ACCEPTED, UNSURE, UNJUDGED, BROKEN]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_there_are_seventeen_columns_for_three_classes() -> None:
    assert ", ".join(columns(CLASSES)) == SEVENTEEN
    assert columns(("lean", "rich"))[8:10] == ("p_lean", "p_rich")


def test_csv_text_is_pinned() -> None:
    lines = "".join(csv_lines((row(one, CLASSES) for one in RECORDS), CLASSES))
    assert lines == (
        SEVENTEEN.replace(" ", "") + "\n"
        f"run1/a.png,{'ab' * 32},1920,1080,ok,accepted,normal,0.900000,0.070000,0.900000,0.030000,0.830000,"
        "0.250000,,2025-01-02T03:04:05.000Z,0123456789ab,kilnsense.label/1\n"
        f'"=cmd,""x"".png",{"cd" * 32},8,6,review,low_confidence,,0.500000,0.300000,0.200000,0.500000,'
        "0.200000,0.333333,hazy,,0123456789ab,kilnsense.label/1\n"
        f'"-dark.png",{"ef" * 32},8,6,review,bad_image,,,,,,,,dark|blurred,,0123456789ab,kilnsense.label/1\n'
        '"note\n.txt",,,,bad,not_an_image,,,,,,,,,,0123456789ab,kilnsense.label/1\n'
    )


def test_a_csv_reader_gets_every_path_back(tmp_path: Path) -> None:
    write_records(tmp_path / "out.csv", RECORDS, classes=CLASSES)
    assert [row["path"] for row in read(tmp_path / "out.csv")] == [record.path for record in RECORDS]
    assert b"\r" not in (tmp_path / "out.csv").read_bytes()


def test_csv_and_jsonl_say_the_same(tmp_path: Path) -> None:
    write_records(tmp_path / "out.csv", RECORDS, classes=CLASSES)
    write_records(tmp_path / "out.jsonl", RECORDS, classes=CLASSES, kind="jsonl")
    objects = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    for cells, values in zip(read(tmp_path / "out.csv"), objects, strict=True):
        assert list(cells) == list(values)
        for name, value in values.items():
            assert cells[name] == (
                "" if value is None else f"{value:.6f}" if isinstance(value, float) else str(value)
            )
    assert objects[0]["confidence"] == 0.9
    assert objects[3]["label"] is None


def test_two_writes_are_byte_identical(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_records(tmp_path / name, RECORDS, classes=CLASSES)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_wrong_classes_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"row run1/a\.png: got 3 probabilities, allowed: one each for a, b"):
        write_records(tmp_path / "out.csv", RECORDS, classes=("a", "b"))
    assert not list(tmp_path.iterdir())


def test_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="table format: got 'json', allowed: csv, jsonl; did you mean 'jsonl'"
    ):
        write_records(tmp_path / "out", RECORDS, classes=CLASSES, kind="json")


def test_lines_are_made_one_by_one() -> None:
    lines = jsonl_lines((row(one, CLASSES) for one in RECORDS), CLASSES)
    assert json.loads(next(lines))["path"] == "run1/a.png"
