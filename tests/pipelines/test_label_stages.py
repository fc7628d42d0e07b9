"""Where the time of labelling goes."""

import importlib
import time
from pathlib import Path
from types import ModuleType

import pytest

from kilnsense import recogniser as way
from kilnsense.recogniser import Recogniser


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "pipelines"))
    return importlib.import_module("label_stages")


def test_a_stage_that_takes_longer_is_seen_to(
    stages: ModuleType, tiny_recogniser: Recogniser, tiny_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = sorted(tiny_root.glob("run000/*.jpg"))[:4]
    before = stages.stage_ms(tiny_recogniser, paths, tiny_root)
    assert list(before) == [*stages.STAGES, "other"]
    assert all(before[stage] > 0 for stage in stages.STAGES)
    assess = way.assess

    def slow(*given: object, **named: object) -> object:
        ends = time.process_time() + 0.02
        while time.process_time() < ends:
            pass
        return assess(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(way, "assess", slow)
    after = stages.stage_ms(tiny_recogniser, paths, tiny_root)
    assert after["quality"] > before["quality"] + 19
    assert after["segmentation"] < before["segmentation"] + 10
    assert way.assess is slow  # the clocks are gone


def test_shares_are_of_the_wall_time_of_all_processes(stages: ModuleType) -> None:
    found = stages.shares({"decode": 4.0, "other": 6.0}, 3.0, 2.0, files=1000, processes=2)
    assert found == pytest.approx(
        {"share_decode": 0.2, "share_other": 0.3, "share_start": 0.3, "share_tables": 0.2}
    )
