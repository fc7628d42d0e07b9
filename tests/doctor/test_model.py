"""A bundle: whole, altered, cut, without what judging needs, unable to judge."""

import shutil
from itertools import count
from pathlib import Path

import pytest

from kilnsense.bundle import load_bundle
from kilnsense.doctor.findings import Finding
from kilnsense.doctor.model import check_bundle
from kilnsense.errors import InputError

STORED = Path(__file__).parents[1] / "golden" / "bundle_format_1"


def found(folder: Path) -> dict[str, Finding]:
    return {finding.name: finding for finding in check_bundle(folder)}


def test_a_good_bundle_says_who_it_is_and_how_fast(tiny_bundle: Path) -> None:
    clock = count(1.0, 0.25)
    whole, judged, tested = check_bundle(tiny_bundle, clock=lambda: next(clock))
    assert (whole.name, whole.state) == ("bundle", "ok")
    assert whole.found.startswith(f"{load_bundle(tiny_bundle).model_id}, whole; classes: under, normal, over")
    assert (judged.name, judged.state) == ("judging", "ok")
    assert judged.found.startswith("a grey frame in 250 ms (")
    assert (tested.name, tested.state) == ("self-test", "ok")


@pytest.mark.parametrize("name", ["MODEL_CARD.md", "classifier.skops", "gallery.safetensors"])
def test_an_altered_file_is_found(name: str, tmp_path: Path) -> None:
    folder = shutil.copytree(STORED, tmp_path / "bundle")
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    (finding,) = check_bundle(folder)
    assert finding.state == "fail"
    assert f"{name}: was altered" in finding.found
    assert finding.fix == "take it again from where it came"


def test_a_folder_that_is_no_bundle_is_found(tmp_path: Path) -> None:
    said = found(tmp_path)
    assert said.keys() == {"bundle"}
    assert said["bundle"].fix == "give a folder made by `kilnsense train`"


def test_a_whole_bundle_that_cannot_be_opened_is_found() -> None:
    """The stored sample has no codebook: it can be read, not used."""
    assert load_bundle(STORED).model_id
    said = found(STORED)
    assert {name: finding.state for name, finding in said.items()} == {"bundle": "fail"}
    assert "codebook" in said["bundle"].found


def test_a_model_that_cannot_judge_is_found(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise InputError("descriptors: got 7, want 9; train again")

    monkeypatch.setattr("kilnsense.recogniser.judge", refuse)
    judged = found(tiny_bundle)["judging"]
    assert (judged.state, judged.found, judged.fix) == ("fail", "descriptors: got 7, want 9", "train again")
